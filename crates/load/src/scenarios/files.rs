//! Files by links (XEP-0363): what uploading a file costs, its place included, and what downloading one costs.

use std::rc::Rc;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use tokio::task::JoinSet;
use waxwing_xmpp::xml::Element;

use crate::client::Client;
use crate::http::{Connection, Link};
use crate::random;
use crate::report::{Measure, Report, Window};
use crate::sessions::{self, Setup};
use crate::target::Target;

const UPLOAD: &str = "urn:xmpp:http:upload:0";

/// The type that every file is said to have.
const MEDIA_TYPE: &str = "application/octet-stream";

/// Options of `files`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Accounts that upload and download at the same time
    #[arg(long, default_value_t = 8)]
    pub(crate) accounts_at_once: usize,
    /// Files that each uploads
    #[arg(long, default_value_t = 25)]
    pub(crate) files: usize,
    /// Bytes of each file; with a million, the CPU time of a file is that of a megabyte
    #[arg(long, default_value_t = 1_000_000, value_name = "BYTES")]
    pub(crate) file_bytes: usize,
    /// How often each file is downloaded
    #[arg(long, default_value_t = 2)]
    pub(crate) downloads: usize,
    /// The service; without it, `upload.` before the domain
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) service: Option<String>,
}

/// What its uploader knows of a file.
struct Place {
    put: Link,
    headers: Vec<(String, String)>,
    get: Link,
}

impl Place {
    /// Reads a slot (XEP-0363 section 5).
    fn read(answer: &Element) -> Result<Self> {
        let slot = answer.root().child(UPLOAD, "slot").context("there is no slot in the answer")?;
        let link = |name| -> Result<Link> {
            let url = slot.child(UPLOAD, name).and_then(|element| element.attr("url").map(str::to_owned));
            Link::read(&url.with_context(|| format!("the slot has no <{name}/>"))?)
        };
        let put = slot.child(UPLOAD, "put").context("the slot has no <put/>")?;
        let headers = put
            .children()
            .filter(|child| child.name() == "header")
            .filter_map(|header| Some((header.attr("name")?.to_owned(), header.text().into_owned())));
        Ok(Self { headers: headers.collect(), put: link("put")?, get: link("get")? })
    }
}

/// Runs the scenario.
pub(crate) async fn run(target: &Rc<Target>, options: &Options) -> Result<Report> {
    ensure!(
        options.accounts_at_once > 0 && options.files > 0,
        "--accounts-at-once and --files are at least 1"
    );
    ensure!(!target.options.floor, "the floor keeps nothing");
    let clients = sessions::sessions(target, options.accounts_at_once, Setup::default()).await?;
    let mut content = vec![0; options.file_bytes];
    for part in content.chunks_mut(16) {
        let bytes: [u8; 16] = random::bytes();
        part.copy_from_slice(&bytes[..part.len()]);
    }
    let content: Rc<[u8]> = content.into();
    let mut report = Report::new(target, "files", clients.len());
    let (uploaded, links) = upload(target, options, clients, &content).await?;
    report.measures.push(uploaded);
    if options.downloads > 0 {
        report.measures.push(download(target, options, &content, &links).await?);
    }
    Ok(report)
}

/// Uploads all files; says what that cost, and where each account's are.
async fn upload(
    target: &Rc<Target>,
    options: &Options,
    clients: Vec<Client>,
    content: &Rc<[u8]>,
) -> Result<(Measure, Vec<Vec<Link>>)> {
    target.progress("uploading");
    let service = options.service.clone().unwrap_or_else(|| format!("upload.{}", target.options.domain));
    let window = Window::open(target)?;
    let mut uploaders = JoinSet::new();
    for client in clients {
        let (service, content, files) = (service.clone(), Rc::clone(content), options.files);
        let target = Rc::clone(target);
        uploaders.spawn_local(async move { send(&target, client, &service, &content, files).await });
    }
    let (mut clients, mut links, mut count) = (Vec::new(), Vec::new(), 0);
    while let Some(done) = uploaders.join_next().await {
        let (client, sent) = done??;
        count += sent.len() as u64;
        links.push(sent);
        clients.push(client);
    }
    let measure = window.close("files uploaded", count, None)?;
    sessions::close(target, clients).await;
    Ok((measure, links))
}

/// Uploads one file after the other, on one connection.
async fn send(
    target: &Target,
    mut client: Client,
    service: &str,
    content: &[u8],
    files: usize,
) -> Result<(Client, Vec<Link>)> {
    let request = format!(
        "<request xmlns='{UPLOAD}' filename='load.bin' size='{}' content-type='{MEDIA_TYPE}'/>",
        content.len()
    );
    let (mut links, mut connection) = (Vec::new(), None);
    for _ in 0..files {
        let answer = sessions::patiently(target, "a place", client.request("get", service, &request)).await?;
        let place = Place::read(&answer)?;
        let mut http = Connection::reuse(connection.take(), &place.put).await?;
        let put = http.put(&place.put, MEDIA_TYPE, &place.headers, content);
        let status = sessions::patiently(target, "an upload", put).await?;
        if !(200..300).contains(&status) {
            bail!("an upload was answered with {status}");
        }
        links.push(place.get);
        connection = Some(http);
    }
    Ok((client, links))
}

async fn download(
    target: &Rc<Target>,
    options: &Options,
    content: &Rc<[u8]>,
    links: &[Vec<Link>],
) -> Result<Measure> {
    target.progress("downloading");
    let window = Window::open(target)?;
    let mut downloaders = JoinSet::new();
    for links in links {
        let (links, content, times) = (links.clone(), Rc::clone(content), options.downloads);
        let target = Rc::clone(target);
        downloaders.spawn_local(async move {
            let (mut connection, mut count) = (None, 0);
            for link in links.iter().cycle().take(links.len() * times) {
                let mut http = Connection::reuse(connection.take(), link).await?;
                let got = sessions::patiently(&target, "a download", http.get(link)).await?;
                ensure!(got == *content, "a file came back changed: {} bytes", got.len());
                count += 1;
                connection = Some(http);
            }
            Ok::<u64, anyhow::Error>(count)
        });
    }
    let mut count = 0;
    while let Some(done) = downloaders.join_next().await {
        count += done??;
    }
    window.close("files downloaded", count, None)
}
