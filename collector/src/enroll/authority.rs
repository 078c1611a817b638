//! The collector's certificate authority: made at first start, kept in the state folder.
//!
//! It signs the collector's own certificate, anew at each start, and the sensors' host certificates,
//! whose URI `gnomon://host/NAME` is the host's identity.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use time::{Duration, OffsetDateTime};

use crate::{
    ingest::host::{HostId, URI_PREFIX},
    state::{private_folder, write_private, write_public},
};

const CA_NAME: &str = "Gnomon collector authority";
const CA_DAYS: i64 = 3650;
const CERTIFICATE_DAYS: i64 = 825;

/// Key and certificate of the authority.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

/// A certificate with its key, PEM.
pub struct Identity {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: String,
}

impl Authority {
    /// Opens the authority in `state_dir/ca`, or makes it. Safe beside a running collector.
    ///
    /// # Errors
    /// The folder or its files cannot be read or written.
    pub fn open(state_dir: &Path) -> Result<Self> {
        let folder = state_dir.join("ca");
        private_folder(state_dir)?;
        private_folder(&folder)?;
        // Two programs may come here at once at the very first start.
        let guard = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(folder.join("lock"));
        let guard = guard.with_context(|| format!("opening {}/lock", folder.display()))?;
        guard
            .lock()
            .with_context(|| format!("locking {}", folder.display()))?;
        let (key_file, certificate_file) = (folder.join("ca.key"), folder.join("ca.pem"));
        if !certificate_file.exists() {
            let key = KeyPair::generate().context("making the authority's key")?;
            let certificate = ca_params()?
                .self_signed(&key)
                .context("signing the authority's certificate")?;
            write_private(&key_file, key.serialize_pem().as_bytes())?;
            write_public(&certificate_file, certificate.pem().as_bytes())?;
        }
        let read = |file: &Path| {
            fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
        };
        let key = KeyPair::from_pem(&read(&key_file)?)
            .with_context(|| format!("{} holds no private key", key_file.display()))?;
        Ok(Self {
            issuer: Issuer::new(ca_params()?, key),
            certificate_pem: read(&certificate_file)?,
        })
    }

    /// The authority's certificate, PEM: what sensors trust.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A certificate for the collector itself, under loopback's names and `names`.
    ///
    /// # Errors
    /// A name cannot stand in a certificate.
    pub fn server(&self, names: &[String]) -> Result<Identity> {
        let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        all.extend(names.iter().cloned());
        let mut params = CertificateParams::new(all)
            .context("ingest.names: a name that cannot stand in a certificate")?;
        params
            .distinguished_name
            .push(DnType::CommonName, "gnomon-collector");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// A certificate for a host's sensor.
    ///
    /// # Errors
    /// Signing fails.
    pub fn host(&self, host: &HostId) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, host.as_str());
        let uri = format!("{URI_PREFIX}{host}")
            .try_into()
            .context("the host's name cannot stand in a certificate")?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Identity> {
        lasting(&mut params, CERTIFICATE_DAYS);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().context("making a key")?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .context("signing a certificate")?;
        Ok(Identity {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

fn ca_params() -> Result<CertificateParams> {
    let mut params =
        CertificateParams::new(Vec::<String>::new()).context("the authority's certificate")?;
    params.distinguished_name.push(DnType::CommonName, CA_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    lasting(&mut params, CA_DAYS);
    Ok(params)
}

/// From yesterday, for clocks that are behind.
fn lasting(params: &mut CertificateParams, days: i64) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(days);
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{CertificateDer, pem::PemObject};

    use super::*;

    #[test]
    fn a_host_certificate_names_its_host() {
        let folder = tempfile::tempdir().expect("folder");
        let authority = Authority::open(folder.path()).expect("made");
        let again = Authority::open(folder.path()).expect("opened");
        assert_eq!(authority.certificate_pem(), again.certificate_pem());
        let host = HostId::new("web-01").expect("name");
        let identity = again.host(&host).expect("signed");
        let der = CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).expect("pem");
        assert_eq!(HostId::of_certificates(Some(&[der])), Ok(host));
    }

    #[test]
    fn the_collectors_own_certificate_names_no_host() {
        let folder = tempfile::tempdir().expect("folder");
        let identity = Authority::open(folder.path())
            .expect("made")
            .server(&["gnomon.corp.example".to_owned()])
            .expect("signed");
        let der = CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).expect("pem");
        assert!(HostId::of_certificates(Some(&[der])).is_err());
    }
}
