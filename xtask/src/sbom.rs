//! `cargo xtask sbom`: the bill of materials of the released program, in CycloneDX 1.5 as JSON.
//!
//! It is drawn from what cargo itself resolves for the program and from the checksums of `Cargo.lock`: every package that is
//! built into it or runs while it is built, its licence, where it comes from, and who needs whom. The same sources give the
//! same file, so it holds no time and no random number.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::{foreign, shell};

/// The package whose program is described.
const PROGRAM: &str = "waxwing-server";

/// Writes the bill of materials to a file.
pub(crate) fn run(path: &str) -> Result<()> {
    let bill = bill()?;
    let count = bill["components"].as_array().map_or(0, Vec::len);
    fs::write(shell::root().join(path), format!("{}\n", serde_json::to_string_pretty(&bill)?))?;
    println!("{path}: {count} components");
    Ok(())
}

/// Writes it below `target` and has it checked against the published schema, by a program that is not ours.
pub(crate) fn check() -> Result<()> {
    let path = "target/waxwing.cdx.json";
    run(path)?;
    let python = foreign::scanners()?;
    shell::run(&python.display().to_string(), &["tests/interop/cyclonedx/validate.py", path])
}

/// The bill of materials.
fn bill() -> Result<Value> {
    let platform = platform()?;
    let args = ["metadata", "--format-version=1", "--locked", "--filter-platform", &platform];
    let metadata: Value = serde_json::from_str(&shell::output("cargo", &args)?)?;
    let packages: BTreeMap<&str, &Value> = list(&metadata["packages"])
        .iter()
        .filter_map(|package| Some((package["id"].as_str()?, package)))
        .collect();
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let checksums = checksums()?;
    let (program, _) = packages
        .iter()
        .find(|(_, package)| package["name"] == PROGRAM)
        .with_context(|| format!("{PROGRAM} is not in the workspace"))?;
    let mut needed = BTreeSet::new();
    let mut next = vec![*program];
    while let Some(id) = next.pop() {
        if needed.insert(id) {
            next.extend(needs(nodes[id]));
        }
    }
    let component = |id: &str| component(packages[id], &checksums);
    let components: Vec<Value> =
        needed.iter().filter(|id| *id != program).map(|id| component(id)).collect::<Result<_>>()?;
    let dependencies: Vec<Value> = needed
        .iter()
        .map(|id| {
            let on: BTreeSet<String> = needs(nodes[id]).map(|id| reference(packages[id])).collect();
            json!({ "ref": reference(packages[id]), "dependsOn": on })
        })
        .collect();
    ensure!(components.len() > 10, "only {} components: cargo told less than it should", components.len());
    let mut described = component(program)?;
    described["type"] = json!("application");
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": described },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// The platform that is built for: what other platforms need is not part of the program.
fn platform() -> Result<String> {
    let said = shell::output("rustc", &["-vV"])?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say what it builds for")?.to_owned())
}

/// The packages that a package needs to be built or to run; those of its tests are left out.
fn needs(node: &Value) -> impl Iterator<Item = &str> {
    list(&node["deps"]).iter().filter_map(|dependency| {
        let built = list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev");
        built.then(|| dependency["pkg"].as_str())?
    })
}

fn component(package: &Value, checksums: &BTreeMap<(String, String), String>) -> Result<Value> {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    let (name, version) = (text("name"), text("version"));
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(package),
        "name": name,
        "version": version,
        "purl": reference(package),
    });
    if let Some(licence) = package["license"].as_str() {
        // Cargo once took "/" for "or"; SPDX does not.
        component["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
    }
    if let Some(description) = package["description"].as_str() {
        component["description"] = json!(description.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    if let Some(repository) = package["repository"].as_str() {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    match checksums.get(&(name.to_owned(), version.to_owned())) {
        Some(checksum) => component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]),
        None => ensure!(package["source"].is_null(), "{name} {version} has no checksum in Cargo.lock"),
    }
    Ok(component)
}

/// The package's name for everybody (package URL specification, type `cargo`).
fn reference(package: &Value) -> String {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    format!("pkg:cargo/{}@{}", text("name"), text("version").replace('+', "%2B"))
}

/// The checksums of `Cargo.lock`, by name and version.
fn checksums() -> Result<BTreeMap<(String, String), String>> {
    let lock: toml::Table = fs::read_to_string(shell::root().join("Cargo.lock"))?.parse()?;
    let packages =
        lock.get("package").and_then(toml::Value::as_array).context("Cargo.lock names no packages")?;
    let text = |package: &toml::Value, key: &str| package.get(key)?.as_str().map(str::to_owned);
    Ok(packages
        .iter()
        .filter_map(|package| {
            Some(((text(package, "name")?, text(package, "version")?), text(package, "checksum")?))
        })
        .collect())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
