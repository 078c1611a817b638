//! Who a sensor is: the name in its client certificate, and nothing else.

use std::fmt;

use rustls::pki_types::CertificateDer;
use thiserror::Error;
use webpki::EndEntityCert;

/// Scheme of the name's URI in a host certificate: `gnomon://host/NAME`.
pub const URI_PREFIX: &str = "gnomon://host/";
const LENGTH_MAX: usize = 253;

/// A host's name, as certified: 1 to 253 of `A-Z a-z 0-9 . _ -`, kept in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(String);

/// Why there is no host name.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum HostError {
    /// No client certificate came with the connection.
    #[error("no client certificate")]
    NoCertificate,
    /// It cannot be decoded.
    #[error("the client certificate cannot be decoded")]
    Undecodable,
    /// It names no host, or more than one.
    #[error("the client certificate names {0} hosts, one is needed")]
    Count(usize),
    /// The name has characters or a length that are not allowed.
    #[error("a host name is 1 to {LENGTH_MAX} of A-Z a-z 0-9 . _ -")]
    Name,
}

impl HostId {
    /// Checks a name.
    ///
    /// # Errors
    /// [`HostError::Name`].
    pub fn new(name: &str) -> Result<Self, HostError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if name.is_empty() || name.len() > LENGTH_MAX || !name.bytes().all(allowed) {
            return Err(HostError::Name);
        }
        Ok(Self(name.to_ascii_lowercase()))
    }

    /// From the certificate chain of a connection that TLS has verified.
    ///
    /// # Errors
    /// No certificate, or not exactly one host name in it.
    pub fn of_certificates(chain: Option<&[CertificateDer<'_>]>) -> Result<Self, HostError> {
        let leaf = chain
            .and_then(<[_]>::first)
            .ok_or(HostError::NoCertificate)?;
        let certificate = EndEntityCert::try_from(leaf).map_err(|_| HostError::Undecodable)?;
        let names: Vec<&str> = certificate
            .valid_uri_names()
            .filter_map(|uri| uri.strip_prefix(URI_PREFIX))
            .collect();
        match names.as_slice() {
            [name] => Self::new(name),
            other => Err(HostError::Count(other.len())),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_plain() {
        assert_eq!(
            HostId::new("Web-01.corp").expect("fine").as_str(),
            "web-01.corp"
        );
        for bad in ["", "a b", "a/b", "a'b", "ä", &"x".repeat(254)] {
            assert_eq!(HostId::new(bad), Err(HostError::Name), "{bad:?}");
        }
    }

    #[test]
    fn no_certificate_no_host() {
        assert_eq!(HostId::of_certificates(None), Err(HostError::NoCertificate));
        assert_eq!(
            HostId::of_certificates(Some(&[CertificateDer::from(vec![1, 2, 3])])),
            Err(HostError::Undecodable)
        );
    }
}
