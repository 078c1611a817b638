//! Attaching, detaching, and how soon events arrive.

use std::{
    collections::HashSet,
    fs,
    io::pipe,
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use gnomon_sensor::{
    event::{Body, Direction},
    kernel::Settings,
};

use gnomon_tests::host;

use crate::harness::{DEADLINE, Harness, inode_of, write};

#[test]
fn events_arrive_within_20_ms() {
    host::alone().expect("the host");
    let mut harness = Harness::attach();
    let (mut reader, mut writer) = pipe().expect("a pipe");
    let inode = inode_of(&writer);
    let mut delays: Vec<Duration> = (0..20)
        .map(|_| {
            harness.events.clear();
            write(&mut writer, &mut reader, b"tick");
            let sent = harness.until("the tick", |events| {
                events.iter().find_map(|event| match &event.body {
                    Body::Transfer(t) if t.end.key.inode == inode => Some(event.time),
                    _ => None,
                })
            });
            let sent = SystemTime::UNIX_EPOCH + Duration::from_nanos(sent);
            sent.elapsed().unwrap_or_default()
        })
        .collect();
    delays.sort();
    assert!(
        delays[10] < Duration::from_millis(20),
        "median of {delays:?}"
    );
}

#[test]
fn nothing_of_ours_stays_after_drop() {
    host::alone().expect("the host");
    let ids = || -> HashSet<u32> {
        fs::read_dir("/proc/self/fdinfo")
            .expect("our own descriptors")
            .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
            .filter_map(|text| {
                text.lines()
                    .find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())
            })
            .collect()
    };
    let loaded = || -> HashSet<u32> {
        let output = Command::new("bpftool")
            .args(["-j", "prog", "show"])
            .output()
            .expect("bpftool");
        let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let list = list.as_array().expect("a list");
        list.iter()
            .filter_map(|program| program["id"].as_u64())
            .map(|id| id as u32)
            .collect()
    };
    let harness = Harness::attach();
    let ours = ids();
    assert!(ours.len() >= 5, "{ours:?}");
    assert!(ours.is_subset(&loaded()));
    drop(harness);
    let deadline = Instant::now() + DEADLINE;
    while !ours.is_disjoint(&loaded()) {
        assert!(Instant::now() < deadline, "still loaded");
    }
}

#[test]
fn the_sensor_does_not_watch_itself() {
    host::alone().expect("the host");
    let settings = Settings::default();
    let mut harness = Harness::attach_with(&settings);
    let (mut reader, mut writer) = pipe().expect("a pipe");
    let inode = inode_of(&writer);
    write(&mut writer, &mut reader, b"ours");
    let child = Command::new("sh")
        .args(["-c", "echo theirs"])
        .stdout(Stdio::from(writer))
        .status()
        .expect("a shell");
    assert!(child.success());
    let seen = harness.transfer("theirs", inode, Direction::Write);
    assert_eq!(
        (seen.payload.as_slice(), seen.lost_before),
        (b"theirs\n".as_slice(), 0)
    );
    let hooks = harness.kernel.hooks();
    let reads = |hook: &String| hook == "tp_btf/sys_exit" || hook.ends_with("pipe_write");
    assert!(hooks.keys().any(reads) && hooks.contains_key("iter/task_file"));
    assert!(
        hooks.values().all(|tier| tier == "1" || tier == "2"),
        "{hooks:?}"
    );
    assert!(harness.kernel.map_bytes() > 0 && harness.kernel.ring_bytes() > 0);
}
