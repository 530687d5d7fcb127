//! Containers and charts: what cannot be started here is linted, rendered, and checked against the schemas of those who read it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::{foreign, shell};

const CHART: &str = "packaging/helm/waxwing";

/// Values that the chart takes, and values that it has to refuse.
const TAKEN: &str = "tests/packaging/values";
const REFUSED: &str = "tests/packaging/refused";

/// Checks everything under `packaging` that no test starts.
pub(crate) fn check() -> Result<()> {
    foreign::packages()?;
    let tools = foreign::python("packaging")?.with_file_name("");
    let tool = |name: &str| tools.join(name).display().to_string();
    chart(&tool("kubernetes-validate"))?;
    shell::run(&tool("compose-lint"), &["packaging/compose/compose.yaml"])?;
    // Versions of Debian's packages are not pinned: what is installed is what is kept free of known weaknesses.
    shell::run(&tool("hadolint"), &["--ignore", "DL3008", "packaging/Containerfile"])?;
    shell::run("haproxy", &["-c", "-q", "-f", "packaging/haproxy.cfg"])
}

/// The chart: linted, rendered with every file of values, and what comes out checked against Kubernetes' own schemas.
fn chart(validate: &str) -> Result<()> {
    let helm = foreign::helm()?.display().to_string();
    let folder = shell::root().join("target/packaging");
    fs::create_dir_all(&folder)?;
    for values in files(TAKEN)? {
        let name = values.file_stem().context("a file has a name")?.to_string_lossy().into_owned();
        let values = values.display().to_string();
        shell::run(&helm, &["lint", "--strict", "--quiet", CHART, "--values", &values])?;
        let rendered = shell::output(&helm, &["template", "test", CHART, "--values", &values])?;
        let path = folder.join(format!("{name}.yaml")).display().to_string();
        fs::write(&path, rendered)?;
        shell::run(validate, &["--strict", "--quiet", &path])?;
    }
    for values in files(REFUSED)? {
        let values = values.display().to_string();
        let output = shell::command(&helm, &["template", "test", CHART, "--values", &values]).output()?;
        ensure!(!output.status.success(), "the chart takes {values}");
    }
    Ok(())
}

fn files(folder: &str) -> Result<Vec<PathBuf>> {
    let listed = fs::read_dir(shell::root().join(Path::new(folder)))?;
    let mut paths = listed.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    ensure!(!paths.is_empty(), "{folder} is empty");
    Ok(paths)
}
