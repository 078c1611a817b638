//! Tells the kernel what was decided about an end.
//!
//! Each side writes to one map only: verdicts go into a mailbox that the programs empty when the end
//! is used next. A silenced end does not look into it, so to wake one its state is removed.

use std::os::fd::AsFd as _;

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

/// How far the sensor counts the passes' generation on: more than the kernel does in a moment.
const FAR: u64 = 1 << 16;

type Key = [u64; 2];
type State = [u8; size_of::<FlowState>()];

/// Writes verdicts. The only one to write these maps, beside the programs.
pub struct Judge {
    verdicts: HashMap<MapData, Key, u32>,
    flows: HashMap<MapData, Key, State>,
    stamp: Array<MapData, u64>,
}

impl Judge {
    pub(super) fn new(ebpf: &Ebpf) -> Result<Self, AttachError> {
        let open = |name| duplicate(named(ebpf, name)?).map_err(bad_map(name));
        let bad = bad_map("VERDICTS, FLOWS or .data.stamp");
        Ok(Self {
            verdicts: HashMap::try_from(open("VERDICTS")?).map_err(&bad)?,
            flows: HashMap::try_from(open("FLOWS")?).map_err(&bad)?,
            stamp: Array::try_from(open(".data.stamp")?).map_err(&bad)?,
        })
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
        // First of all: an end that falls silent in this moment looks here once more.
        self.verdicts.insert(key, code, 0)?;
        if decided != FlowVerdict::NotMcp && self.is_silent(&key) {
            ignore_missing(self.flows.remove(&key))?;
            // Which pass is the end's is not known here.
            self.renew_passes()?;
        }
        Ok(())
    }

    /// Voids all passes: each call is looked at again, once.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn renew_passes(&mut self) -> Result<(), MapError> {
        let generation = self.stamp.get(&0, 0)? >> 32;
        // Far on: the kernel may count at the same time, and a number that it has given to passes must not come again.
        let next = generation.wrapping_add(FAR);
        self.stamp.set(0, next << 32, 0)
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

fn duplicate(map: &Map) -> Result<Map, MapError> {
    let (Map::LruHashMap(data) | Map::HashMap(data) | Map::Array(data)) = map else {
        return Err(MapError::InvalidMapType { map_type: 0 });
    };
    let copy = data.fd().as_fd().try_clone_to_owned();
    Map::from_map_data(MapData::from_fd(copy.map_err(MapError::IoError)?)?)
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
