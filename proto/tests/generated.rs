//! The committed Rust code is what the `.proto` files say.

use std::{env, fs, path::Path};

#[test]
fn committed_code_matches_the_proto_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files =
        protox::compile(["gnomon/v1/ingest.proto"], [root]).expect("the .proto files compile");
    let folder = tempfile::tempdir().expect("a temporary folder");
    tonic_prost_build::configure()
        .out_dir(folder.path())
        .compile_fds(files)
        .expect("code is generated");
    let fresh = fs::read_to_string(folder.path().join("gnomon.v1.rs")).expect("generated file");
    let kept = root.join("src/generated/gnomon.v1.rs");
    if env::var_os("GNOMON_REGENERATE").is_some() {
        fs::write(&kept, &fresh).expect("written");
    }
    let committed = fs::read_to_string(&kept).unwrap_or_default();
    assert!(
        fresh == committed,
        "the generated code is stale: run GNOMON_REGENERATE=1 cargo test -p gnomon-proto"
    );
}
