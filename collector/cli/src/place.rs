//! Where the collector is, and the token it wants.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// What a running collector leaves, below a checkout or home.
const STATE: &str = ".gnomon/collector";
/// A token is a line of text.
const TOKEN_BYTES_MAX: usize = 4096;

/// A collector's API.
pub(crate) struct Place {
    /// `http://address:port`.
    pub(crate) api: String,
    /// What it wants to hear.
    pub(crate) token: String,
    /// Where the token comes from.
    pub(crate) token_file: PathBuf,
}

#[derive(Deserialize)]
struct Endpoint {
    api: String,
}

/// By option, else by environment, else by what `make run` leaves above the current folder or above
/// this program.
pub(crate) fn find(api: Option<String>, token_file: Option<PathBuf>) -> Result<Place> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let api = match (api, variable("GNOMON_API")) {
        (Some(api), _) => Some(api),
        (None, Some(api)) => Some(api.to_string_lossy().into_owned()),
        (None, None) => None,
    };
    let token_file = token_file.or_else(|| variable("GNOMON_TOKEN_FILE").map(PathBuf::from));
    let (api, token_file) = match (api, token_file) {
        (Some(api), Some(token_file)) => (api, token_file),
        (api, token_file) => from_state(api, token_file)?,
    };
    let api = api.trim_end_matches('/').to_owned();
    check(&api)?;
    let token = std::fs::read_to_string(&token_file).with_context(|| {
        let path = token_file.display();
        format!("cannot read the API's token in {path}; name the collector's api-token file with --token-file")
    })?;
    let token = token.trim().to_owned();
    if token.len() > TOKEN_BYTES_MAX || token.contains(|c: char| c.is_control() || !c.is_ascii()) {
        bail!(
            "{} holds no token; name the collector's api-token file with --token-file",
            token_file.display()
        );
    }
    Ok(Place {
        api,
        token,
        token_file,
    })
}

/// Fills in what was not given. A token that was found is sent only to where it belongs.
fn from_state(api: Option<String>, token_file: Option<PathBuf>) -> Result<(String, PathBuf)> {
    let starts = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    let state = starts.iter().flatten().find_map(|start| above(start));
    let Some(state) = state else {
        if let Some(api) = api {
            bail!(
                "--token-file is missing: {api} wants the token of its collector; give the file api-token of the collector's state folder with --token-file FILE (or GNOMON_TOKEN_FILE)"
            );
        }
        bail!(
            "no collector found: there is no {STATE}/endpoint.json above the current folder or this program; start one with `make run`, or give --api and --token-file (or GNOMON_API and GNOMON_TOKEN_FILE)"
        );
    };
    let path = state.join("endpoint.json");
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let endpoint: Endpoint = serde_json::from_slice(&text).with_context(|| {
        format!(
            "{} is not what a collector writes; give --api and --token-file",
            path.display()
        )
    })?;
    if let Some(api) = &api
        && api.trim_end_matches('/') != endpoint.api
    {
        bail!(
            "--token-file is missing: the token in {} is for {}, not for {api}; give the file api-token of that collector's state folder with --token-file FILE (or GNOMON_TOKEN_FILE)",
            state.display(),
            endpoint.api
        );
    }
    Ok((
        endpoint.api,
        token_file.unwrap_or_else(|| state.join("api-token")),
    ))
}

/// The nearest state folder in a folder above, if it belongs to this user or to root: another user's
/// could send us anywhere.
fn above(start: &Path) -> Option<PathBuf> {
    let me = std::fs::metadata("/proc/self")
        .map(|metadata| metadata.uid())
        .ok();
    start
        .ancestors()
        .map(|folder| folder.join(STATE))
        .find(|state| {
            let owner =
                std::fs::metadata(state.join("endpoint.json")).map(|metadata| metadata.uid());
            owner.is_ok_and(|owner| owner == 0 || me == Some(0) || me == Some(owner))
        })
}

/// The token goes over plain HTTP, so it goes nowhere but to this machine.
fn check(api: &str) -> Result<()> {
    let advice = "the API is for this machine only: write it as http://127.0.0.1:PORT";
    let Some(authority) = api.strip_prefix("http://") else {
        bail!("{api} does not start with http://; {advice}");
    };
    if authority.contains(['/', '@', '?', '#']) || authority.contains(char::is_whitespace) {
        bail!("{api} is more than an address and a port; {advice}");
    }
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    };
    let is_local = host == "localhost" || host.parse().is_ok_and(|host: IpAddr| host.is_loopback());
    if !is_local {
        bail!("{api} is another machine; {advice}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn only_this_machine() {
        for good in [
            "http://127.0.0.1:1",
            "http://localhost:80",
            "http://[::1]:5",
            "http://127.9.9.9",
        ] {
            check(good).unwrap();
        }
        for bad in [
            "https://127.0.0.1:1",
            "http://10.0.0.1:1",
            "http://localhost.evil:1",
            "http://127.0.0.1:1/x",
            "http://127.0.0.1@evil",
            "127.0.0.1:1",
            "http://[fe80::1]:1",
            "http://",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
