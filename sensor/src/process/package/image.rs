//! Images of containers.

use super::{Package, claimed};

/// The image without tag and digest, which are its version.
pub(super) fn oci(image: &str) -> Option<Package> {
    let (name, digest) = image
        .split_once('@')
        .map_or((image, None), |(n, d)| (n, Some(d)));
    // A colon after the last slash is a tag, before it a port.
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = name[slash..].find(':').map_or((name, None), |at| {
        (&name[..slash + at], Some(&name[slash + at + 1..]))
    });
    let fits = !name.is_empty()
        && name.len() <= 255
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./:".contains(&b));
    fits.then(|| claimed(format!("oci:{name}"), digest.or(tag).map(str::to_owned)))
}
