//! What the server says on the terminal when it has started.

use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::admin::context::Listening;
use crate::first_start::Administrator;
use crate::tls::Served;

/// Everything there is to say.
pub struct Welcome<'a> {
    /// The domains, the default one first.
    pub domains: Vec<String>,
    /// Where the data is.
    pub data: &'a Path,
    /// What is listened on.
    pub listening: &'a [Listening],
    /// The certificates.
    pub certificates: &'a [Served],
    /// The administrator, at the first start.
    pub administrator: Option<&'a Administrator>,
    /// The configuration file, if one was named.
    pub config: Option<&'a Path>,
    /// The web client is in this binary.
    pub web_client: bool,
    /// What is said is kept in a log, so that no password may be said.
    pub logged: bool,
}

impl Display for Welcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Waxwing {} serves {}.\n", env!("CARGO_PKG_VERSION"), self.domains.join(", "))?;
        self.addresses(f)?;
        writeln!(f, "  Data         {}", self.data.display())?;
        match self.administrator {
            Some(administrator) if self.logged => writeln!(
                f,
                "\nThe first administrator has been made. Set its password: {} user password {}",
                self.program(),
                administrator.address
            ),
            Some(administrator) => self.first(f, administrator),
            None => writeln!(
                f,
                "\nAdd a person: {} user add NAME@{}   Stop: Ctrl+C",
                self.program(),
                self.domain()
            ),
        }
    }
}

impl Welcome<'_> {
    fn addresses(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(browser) = self.browser() {
            writeln!(f, "  Browser      {browser}")?;
        }
        for (protocol, label, remark) in [
            ("xmpp", "XMPP", "  (STARTTLS)"),
            ("xmpps", "XMPP", "  (TLS from the first byte)"),
            ("xmpp-server", "Servers", "  (STARTTLS)"),
            ("xmpps-server", "Servers", "  (TLS from the first byte)"),
            ("http", "HTTP", ""),
            ("https", "HTTPS", "  (WebSocket: /xmpp-websocket)"),
            ("bytestreams", "Relay", ""),
        ] {
            for listening in self.listening.iter().filter(|listening| listening.protocol == protocol) {
                writeln!(f, "  {label:<11}  {}{remark}", listening.address)?;
            }
        }
        Ok(())
    }

    fn first(&self, f: &mut fmt::Formatter<'_>, administrator: &Administrator) -> fmt::Result {
        let (address, domain) = (&administrator.address, self.domain());
        writeln!(f, "\nThe first administrator has been made. Its password is shown only now:\n")?;
        let browser = self.browser();
        if let Some(browser) = &browser {
            // A browser does not send what stands behind the hash, and the page asks for another password at once.
            writeln!(f, "  Open         {browser}#/first/{address}/{}", administrator.password)?;
        }
        writeln!(f, "  Address      {address}")?;
        writeln!(f, "  Password     {}", administrator.password)?;
        let xmpp = self.listening.iter().find(|listening| listening.protocol == "xmpp");
        let (host, port) = xmpp
            .and_then(|xmpp| xmpp.address.rsplit_once(':'))
            .map_or((domain, "5222"), |(host, port)| (host.trim_matches(['[', ']']), port));
        match &browser {
            Some(_) => writeln!(f, "\nSign in there, or with an XMPP client, for example profanity:\n")?,
            None => writeln!(f, "\nSign in with a client, for example profanity:\n")?,
        }
        writeln!(f, "  /connect {address} server {host} port {port}")?;
        writeln!(f, "\nor Gajim: add an account that exists, {address}, host {host}, port {port}.")?;
        for served in self.certificates.iter().filter(|served| served.self_signed) {
            writeln!(
                f,
                "The certificate of {} is self-signed, so the client asks whether to trust it (profanity: /tls always).\n\
                 Its fingerprints:\n\n\
                 \x20 SHA-1        {}\n  SHA-256      {}",
                served.domain, served.sha1, served.sha256
            )?;
        }
        writeln!(f, "\nNext, in another terminal, add a person; it asks for the password:\n")?;
        writeln!(f, "  {} user add alice@{domain}", self.program())?;
        writeln!(f, "\nAll commands: {} help   Stop: Ctrl+C", self.program())
    }

    /// Where a browser on this machine finds the web client, if there is a place. A name with a certificate that browsers trust
    /// comes first; then, without one, what needs no certificate because it does not leave the machine.
    fn browser(&self) -> Option<String> {
        let domain = self.domain();
        let by = |protocol: &str| {
            let found = self.listening.iter().find(|listening| listening.protocol == protocol)?;
            found.address.parse::<SocketAddr>().ok()
        };
        let (http, https) = (by("http"), by("https"));
        let certified = self.certificates.iter().any(|served| served.domain == domain && !served.self_signed);
        let by_name = |scheme, port, usual| match port {
            port if port == usual => format!("{scheme}://{domain}/"),
            port => format!("{scheme}://{domain}:{port}/"),
        };
        let near = http.filter(|address| address.ip().is_loopback());
        let address = match (https, near, http) {
            (Some(https), ..) if certified => by_name("https", https.port(), 443),
            (_, Some(near), _) if domain == "localhost" => by_name("http", near.port(), 80),
            (_, Some(near), _) => format!("http://{near}/"),
            (Some(https), ..) => by_name("https", https.port(), 443),
            (None, None, Some(http)) => by_name("http", http.port(), 80),
            (None, None, None) => return None,
        };
        self.web_client.then_some(address)
    }

    fn domain(&self) -> &str {
        self.domains.first().map_or("localhost", String::as_str)
    }

    /// How to call this program from here.
    fn program(&self) -> String {
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("waxwing"));
        let here = std::env::current_dir().unwrap_or_default();
        let in_path = std::env::var_os("PATH").is_some_and(|path| {
            std::env::split_paths(&path).any(|folder| Some(folder.as_path()) == program.parent())
        });
        let mut call = match (in_path, program.strip_prefix(&here)) {
            (true, _) => "waxwing".to_owned(),
            (false, Ok(near)) => near.display().to_string(),
            (false, Err(_)) => program.display().to_string(),
        };
        if let Some(config) = self.config {
            call.push_str(&format!(" --config {}", config.display()));
        }
        call
    }
}

#[cfg(test)]
mod tests {
    use waxwing_xmpp::jid::Jid;

    use super::*;

    #[test]
    fn the_password_is_shown_at_the_first_start_only() {
        let administrator = Administrator {
            address: Jid::new("admin@localhost").expect("valid"),
            password: "s3cr-et".into(),
        };
        let listening = [Listening { protocol: "xmpp".into(), address: "127.0.0.1:5222".into() }];
        let mut welcome = Welcome {
            domains: vec!["localhost".to_owned()],
            data: Path::new("/data"),
            listening: &listening,
            certificates: &[],
            administrator: Some(&administrator),
            config: None,
            web_client: false,
            logged: false,
        };
        let first = welcome.to_string();
        assert!(first.contains("/connect admin@localhost server 127.0.0.1 port 5222"), "{first}");
        assert!(first.contains("s3cr-et") && !first.contains('\x1b'), "{first}");
        welcome.logged = true;
        let logged = welcome.to_string();
        assert!(!logged.contains("s3cr-et") && logged.contains("user password admin@localhost"), "{logged}");
        welcome.logged = false;
        welcome.administrator = None;
        assert!(!welcome.to_string().contains("s3cr-et"));
    }

    #[test]
    fn the_browser_is_sent_where_it_gets_in() {
        let at =
            |protocol: &str, address: &str| Listening { protocol: protocol.into(), address: address.into() };
        let served = |self_signed| Served {
            domain: "example.org".to_owned(),
            self_signed,
            not_after: 0,
            sha1: String::new(),
            sha256: String::new(),
        };
        let browser = |domain: &str, listening: &[Listening], self_signed, web_client| {
            let welcome = Welcome {
                domains: vec![domain.to_owned()],
                data: Path::new("/data"),
                listening,
                certificates: &[served(self_signed)],
                administrator: None,
                config: None,
                web_client,
                logged: false,
            };
            assert_eq!(welcome.to_string().contains("Browser"), welcome.browser().is_some());
            welcome.browser()
        };
        let near = [at("http", "127.0.0.1:5280"), at("https", "127.0.0.1:5281")];
        let far = [at("http", "127.0.0.1:5280"), at("https", "0.0.0.0:443")];
        let open = [at("http", "[::]:80")];
        let cases = [
            ("localhost", &near[..], true, Some("http://localhost:5280/")),
            ("example.org", &near, true, Some("http://127.0.0.1:5280/")),
            ("example.org", &far, false, Some("https://example.org/")),
            ("example.org", &far[1..], true, Some("https://example.org/")),
            ("example.org", &near[1..], true, Some("https://example.org:5281/")),
            ("example.org", &open, true, Some("http://example.org/")),
            ("example.org", &[], true, None),
        ];
        for (domain, listening, self_signed, expected) in cases {
            assert_eq!(browser(domain, listening, self_signed, true).as_deref(), expected, "{listening:?}");
        }
        assert_eq!(browser("localhost", &near, true, false), None);
    }
}
