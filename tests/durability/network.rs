//! A network of the test's own: each node in a namespace, joined to this machine by a bridge, and rules that drop what
//! goes between a node and a program outside. Only root can.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// What is dropped, as the node sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Direction {
    Both,
    In,
    Out,
}

/// Namespaces and a bridge, which are taken away when dropped.
pub(crate) struct Network {
    /// What all parts of it are called, with a number behind.
    name: String,
    nodes: usize,
    outside: String,
    /// The first three numbers of all addresses.
    prefix: String,
}

impl Network {
    /// Makes namespaces for so many nodes.
    pub(crate) fn make(nodes: usize) -> Result<Self, String> {
        let process = std::process::id();
        // Two runs at once on one machine shall not meet.
        let prefix = format!("10.213.{}", process % 250);
        let network = Self { name: format!("wx{process}"), nodes, outside: format!("{prefix}.1"), prefix };
        network.build().map_err(|error| format!("{error:#}"))?;
        Ok(network)
    }

    fn build(&self) -> Result<()> {
        let bridge = &self.name;
        ip(&format!("link add {bridge} type bridge"))?;
        ip(&format!("addr add {}/24 dev {bridge}", self.outside))?;
        ip(&format!("link set {bridge} up"))?;
        for number in 0..self.nodes {
            let (namespace, inside) = (self.namespace(number), self.inside(number));
            ip(&format!("netns add {namespace}"))?;
            ip(&format!("link add {namespace} type veth peer name eth0 netns {namespace}"))?;
            ip(&format!("link set {namespace} master {bridge} up"))?;
            ip(&format!("-n {namespace} addr add {inside}/24 dev eth0"))?;
            ip(&format!("-n {namespace} link set eth0 up"))?;
            ip(&format!("-n {namespace} link set lo up"))?;
        }
        self.rules("")
    }

    /// The name of a node's namespace.
    pub(crate) fn namespace(&self, node: usize) -> String {
        format!("{}n{node}", self.name)
    }

    /// The address of a node.
    pub(crate) fn inside(&self, node: usize) -> String {
        format!("{}.{}", self.prefix, 10 + node)
    }

    /// The address of this machine, as the nodes see it.
    pub(crate) fn outside(&self) -> &str {
        &self.outside
    }

    /// Drops what goes between a node and ports of this machine, until it is healed.
    pub(crate) fn cut(&self, node: usize, ports: &[String], direction: Direction) -> Result<Cut<'_>> {
        let (name, inside, ports) = (&self.name, self.inside(node), ports.join(", "));
        let from_node = format!("add rule inet {name} come ip saddr {inside} tcp dport {{ {ports} }} drop\n");
        let to_node = format!("add rule inet {name} go ip daddr {inside} tcp sport {{ {ports} }} drop\n");
        self.rules(&match direction {
            Direction::Both => from_node + &to_node,
            Direction::In => to_node,
            Direction::Out => from_node,
        })?;
        Ok(Cut(self))
    }

    /// Sets all rules anew.
    fn rules(&self, rules: &str) -> Result<()> {
        let name = &self.name;
        let text = format!(
            "add table inet {name}\ndelete table inet {name}\nadd table inet {name}\n\
             add chain inet {name} come {{ type filter hook input priority 0; }}\n\
             add chain inet {name} go {{ type filter hook output priority 0; }}\n{rules}"
        );
        let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().context("nft")?;
        nft.stdin.take().context("its input")?.write_all(text.as_bytes())?;
        ensure!(nft.wait()?.success(), "nft refuses {text}");
        Ok(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let quiet = |program: &str, line: &str| {
            let _ = Command::new(program).args(line.split(' ')).stderr(Stdio::null()).status();
        };
        quiet("nft", &format!("delete table inet {}", self.name));
        for number in 0..self.nodes {
            quiet("ip", &format!("netns del {}", self.namespace(number)));
        }
        quiet("ip", &format!("link del {}", self.name));
    }
}

/// Something that is cut off.
#[must_use]
pub(crate) struct Cut<'n>(&'n Network);

impl Cut<'_> {
    pub(crate) fn heal(self) -> Result<()> {
        self.0.rules("")
    }
}

fn ip(line: &str) -> Result<()> {
    let output = Command::new("ip").args(line.split(' ')).output().context("ip")?;
    ensure!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
