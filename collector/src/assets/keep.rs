//! Puts the asset list into the store: at start, and when its file changes.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tokio::sync::watch;
use tracing::{info, warn};

use super::AssetList;
use crate::{
    clock,
    store::{Store, StoreError, row::AssetRow},
};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What tells one state of a file from another.
type Stamp = (SystemTime, u64);

/// Keeps the store's list as the file is, until the collector stops.
///
/// Several collectors with the same file put the same list in, once: by its digest.
pub async fn keep(file: PathBuf, store: Store, mut stopped: watch::Receiver<bool>) {
    let mut done: Option<Stamp> = None;
    let mut told: Option<String> = None;
    loop {
        let now = stamp(&file);
        if now.is_none() || now != done {
            match load(&file, &store).await {
                Ok(()) => {
                    done = now;
                    told = None;
                }
                // Once for each trouble; the list before it stays in force.
                Err(trouble) if told.as_deref() != Some(&trouble) => {
                    warn!(
                        trouble,
                        "the asset list is not taken: the one before it stays"
                    );
                    told = Some(trouble);
                }
                Err(_) => {}
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

async fn load(file: &Path, store: &Store) -> Result<(), String> {
    let path = file.to_owned();
    let list = tokio::task::spawn_blocking(move || AssetList::read(&path))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    put(&list, store).await.map_err(|error| error.to_string())
}

/// Puts a list in force, unless it is.
async fn put(list: &AssetList, store: &Store) -> Result<(), StoreError> {
    let sql = "SELECT argMax(digest, loaded) FROM asset_list WHERE name = ''";
    let in_force: Vec<String> = store.rows(sql, &[]).await?;
    if in_force.first() == Some(&list.digest) {
        return Ok(());
    }
    let loaded = clock::now();
    let heading = AssetRow {
        name: String::new(),
        address: None,
        owner: None,
        host_group: None,
        digest: list.digest.clone(),
        loaded,
    };
    let hosts = list.assets.iter().map(|asset| AssetRow {
        name: asset.name.clone(),
        address: asset.address.clone(),
        owner: asset.owner.clone(),
        host_group: asset.group.clone(),
        digest: String::new(),
        loaded,
    });
    let rows: Vec<AssetRow> = std::iter::once(heading).chain(hosts).collect();
    // One block: whoever reads has all of a list, or all of the one before.
    let token = format!("assets {} {loaded}", list.digest);
    store.insert("asset_list", &rows, &token).await?;
    info!(hosts = list.assets.len(), unread = ?list.unread, "asset list in force");
    Ok(())
}
