//! `gnomon-collector check-config`

use std::path::Path;

use anyhow::{Context, Result, bail};
use gnomon_collector::{
    assets::AssetList,
    config::{ClickHouse, Config},
    engine, policy,
};

pub(super) fn run(file: Option<&Path>) -> Result<()> {
    let config = Config::load(file)?;
    match file {
        Some(file) => super::say(&format!("checking {}", file.display())),
        None => {
            super::say("checking the defaults, since no file is named: --config FILE checks yours");
        }
    }
    super::say(&format!("state in {}", config.state_dir.display()));
    match &config.clickhouse {
        ClickHouse::Embedded { library, .. } => {
            let library = engine::library(library.as_deref(), &super::program()?)?;
            super::say(&format!("ClickHouse embedded, by {}", library.display()));
        }
        ClickHouse::Url {
            url,
            writer,
            analyst,
            ..
        } => {
            super::say(&format!("ClickHouse at {url}, which is not asked now"));
            writer.password()?;
            analyst.as_ref().map(|login| login.password()).transpose()?;
        }
    }
    if let Some(file) = &config.policy_file {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("reading policy.file {}", file.display()))?;
        match policy::parse(&text, &file.display().to_string()) {
            Ok((_, warnings)) => {
                warnings.iter().for_each(|w| {
                    super::warn(&format!(
                        "{}:{}: warning: {}; {}",
                        w.file, w.line, w.what, w.fix
                    ));
                });
            }
            Err(faults) => {
                for f in &faults {
                    super::warn(&format!("{}:{}: {}; {}", f.file, f.line, f.what, f.fix));
                }
                bail!("policy.file {} has {} faults", file.display(), faults.len());
            }
        }
    }
    if let Some(file) = &config.assets_file {
        let list = AssetList::read(file)?;
        if !list.unread.is_empty() {
            super::warn(&format!(
                "{}: warning: columns that are left aside: {:?}; name, address, owner and group are read",
                file.display(),
                list.unread
            ));
        }
        super::say(&format!(
            "assets.file {} names {} hosts",
            file.display(),
            list.assets.len()
        ));
    }
    super::say("the settings are fine");
    Ok(())
}
