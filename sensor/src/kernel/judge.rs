//! Tells the kernel what was decided about an end.
//!
//! Each side writes to one map only: verdicts go into a mailbox that the programs empty when the end
//! is used next. A silenced end does not look into it, so to wake one its state is removed.

use std::os::fd::{AsFd as _, OwnedFd};

use aya::{
    Ebpf,
    maps::{Array, HashMap, Map, MapData, MapError},
};
use sensor_abi::flow::{FlowState, verdict};

use super::{
    AttachError,
    load::{bad_map, named},
};
use crate::event::{EndKey, FlowVerdict};

type Key = [u64; 2];
type State = [u8; size_of::<FlowState>()];

/// Writes verdicts. May be cloned and used on any thread.
pub struct Judge {
    verdicts: HashMap<MapData, Key, u32>,
    flows: HashMap<MapData, Key, State>,
    stamp: Array<MapData, u64>,
    /// Of the same maps, to clone from.
    descriptors: [OwnedFd; 3],
}

impl Judge {
    pub(super) fn new(ebpf: &Ebpf) -> Result<Self, AttachError> {
        let open = |name| descriptor(named(ebpf, name)?).map_err(bad_map(name));
        let descriptors = [open("VERDICTS")?, open("FLOWS")?, open(".data.stamp")?];
        Self::open(descriptors).map_err(bad_map("VERDICTS, FLOWS or .data.stamp"))
    }

    fn open(descriptors: [OwnedFd; 3]) -> Result<Self, MapError> {
        let [verdicts, flows, stamp] = &descriptors;
        Ok(Self {
            verdicts: HashMap::try_from(duplicate(verdicts)?)?,
            flows: HashMap::try_from(duplicate(flows)?)?,
            stamp: Array::try_from(duplicate(stamp)?)?,
            descriptors,
        })
    }

    /// Another handle on the same maps.
    ///
    /// # Errors
    /// No more descriptors.
    pub fn try_clone(&self) -> Result<Self, MapError> {
        let [verdicts, flows, stamp] = &self.descriptors;
        let clone = |descriptor: &OwnedFd| descriptor.try_clone().map_err(MapError::IoError);
        Self::open([clone(verdicts)?, clone(flows)?, clone(stamp)?])
    }

    /// Sets the verdict on an end; it holds from the end's next use on.
    ///
    /// # Errors
    /// The kernel had no room for it: the end stays as it is and may be judged again.
    pub fn judge(&mut self, end: EndKey, decided: FlowVerdict) -> Result<(), MapError> {
        let key = key(end);
        let code = match decided {
            FlowVerdict::Inspect => verdict::INSPECT,
            FlowVerdict::Heads => verdict::HEADS,
            FlowVerdict::Mcp => verdict::MCP,
            FlowVerdict::NotMcp => verdict::NOT_MCP,
        };
        if decided != FlowVerdict::NotMcp && self.is_silent(&key) {
            ignore_missing(self.flows.remove(&key))?;
            self.verdicts.insert(key, code, 0)?;
            // Which pass is the end's is not known here.
            return self.renew_passes();
        }
        self.verdicts.insert(key, code, 0)
    }

    /// Voids all passes: each call is looked at again, once.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn renew_passes(&mut self) -> Result<(), MapError> {
        // Should the kernel, or another handle, count on at the same time, they are as void.
        let generation = self.stamp.get(&0, 0)? >> 32;
        self.stamp.set(0, generation.wrapping_add(1) << 32, 0)
    }

    /// Forgets an end: should its number come back, it is another end.
    ///
    /// # Errors
    /// The kernel refused for another reason than that it is gone already.
    pub fn forget(&mut self, end: EndKey) -> Result<(), MapError> {
        let key = key(end);
        ignore_missing(self.verdicts.remove(&key))?;
        ignore_missing(self.flows.remove(&key))
    }

    fn is_silent(&self, key: &Key) -> bool {
        // The verdict is the first member.
        matches!(self.flows.get(key, 0), Ok([a, b, c, d, ..])
            if u32::from_ne_bytes([a, b, c, d]) == verdict::NOT_MCP)
    }
}

fn key(end: EndKey) -> Key {
    [u64::from(end.device), end.inode]
}

fn descriptor(map: &Map) -> Result<OwnedFd, MapError> {
    let (Map::LruHashMap(data) | Map::HashMap(data) | Map::Array(data)) = map else {
        return Err(MapError::InvalidMapType { map_type: 0 });
    };
    data.fd()
        .as_fd()
        .try_clone_to_owned()
        .map_err(MapError::IoError)
}

fn duplicate(descriptor: &OwnedFd) -> Result<Map, MapError> {
    let copy = descriptor.try_clone().map_err(MapError::IoError)?;
    Map::from_map_data(MapData::from_fd(copy)?)
}

fn ignore_missing(result: Result<(), MapError>) -> Result<(), MapError> {
    match result {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::ENOENT) =>
        {
            Ok(())
        }
        other => other,
    }
}

const _: () = assert!(std::mem::offset_of!(FlowState, verdict) == 0);
