//! Sessions over unix sockets of the running host: where their server listens.

use std::os::unix::net::UnixStream;

use super::*;

/// One side's use of a connected unix socket.
fn used(process: ProcessKey, own: u64, peer: u64, direction: Direction, line: &str) -> Body {
    let key = |inode| EndKey { device: 9, inode };
    let Body::Transfer(transfer) = moved(process, own, direction, 0, line.as_bytes()) else {
        unreachable!("it moves bytes");
    };
    Body::Transfer(Transfer {
        end: End {
            channel: Channel::Unix,
            peer: Some(key(peer)),
            ..pipe(own)
        },
        ..transfer
    })
}

fn inode(socket: impl AsFd) -> std::io::Result<u64> {
    let file = File::from(socket.as_fd().try_clone_to_owned()?);
    Ok(file.metadata()?.ino())
}

#[test]
fn a_socket_younger_than_the_list_of_sockets_is_not_taken_for_gone() -> std::io::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = ProcessKey {
        pid: std::process::id(),
        start_ns: 2,
    };
    let mut run = Run::new();
    run.pipeline.host = Box::new(LiveHost::start()?);
    let paths = ["one.sock", "two.sock"].map(|name| folder.path().join(name));
    let [one, two] = [
        UnixListener::bind(&paths[0])?,
        UnixListener::bind(&paths[1])?,
    ];
    // Only the first one is known to listen, so that whatever is gone was asked there.
    run.event(Body::SocketState(SocketState {
        end: End {
            channel: Channel::Unix,
            ..pipe(inode(&one)?)
        },
        state: TcpState::Listen,
        process: Some(server),
        held: false,
    }));
    pass(&mut run, 2_000_000_000);
    let mut open = Vec::new();
    for (listener, path, pid) in [(&one, &paths[0], 20), (&two, &paths[1], 21)] {
        let near = UnixStream::connect(path)?;
        let (far, _) = listener.accept()?;
        let client = ProcessKey { pid, start_ns: 1 };
        let (own, peer) = (inode(&near)?, inode(&far)?);
        run.event(used(client, own, peer, Direction::Write, INITIALIZE));
        run.event(used(server, peer, own, Direction::Read, ""));
        run.event(used(server, peer, own, Direction::Write, INITIALIZED));
        open.push((near, far));
    }
    let facts: Vec<String> = run
        .sessions()
        .iter()
        .flat_map(|session| &session.evidence)
        .filter(|evidence| evidence.fact.starts_with("unix socket"))
        .map(|evidence| evidence.fact.clone())
        .collect();
    for path in &paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        assert_eq!(
            facts.iter().filter(|fact| fact.contains(&name)).count(),
            1,
            "{facts:?}"
        );
    }
    Ok(())
}
