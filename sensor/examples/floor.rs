//! Has programs that do nothing attached to every system call, until it is killed. A sensor at system calls is measured against
//! it: `make bench PART=throughput`.

use gnomon_sensor::kernel::Floor;

fn main() -> anyhow::Result<()> {
    let _floor = Floor::attach()?;
    println!("floor: ready");
    loop {
        std::thread::park();
    }
}
