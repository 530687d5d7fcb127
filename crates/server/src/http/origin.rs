//! Whose pages may open a WebSocket: the check of the Origin header (RFC 6455 section 10.2).

use std::net::IpAddr;

use crate::config::Config;

/// Whether a page of this origin may open a WebSocket at the host that it asked. Without an origin the client is no browser.
pub(super) fn is_allowed(settings: &Config, origin: Option<&str>, asked: Option<&str>) -> bool {
    let Some(origin) = origin else { return true };
    match &settings.http.allowed_origins {
        Some(list) => list.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin)),
        None => {
            let authority = ["https://", "http://"].iter().find_map(|scheme| origin.strip_prefix(scheme));
            authority.is_some_and(|authority| {
                let host = host_of(authority);
                settings.domain_names().any(|name| name.eq_ignore_ascii_case(host))
                    // A page that came from the address itself came from here: no name could be made to lead elsewhere.
                    || (is_ip(host) && asked.is_some_and(|asked| asked.eq_ignore_ascii_case(authority)))
            })
        }
    }
}

fn is_ip(host: &str) -> bool {
    let unbracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    unbracketed.parse::<IpAddr>().is_ok()
}

/// The host of `host[:port]`.
pub(super) fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        // Inside brackets a colon belongs to the address.
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6455_10_2_pages_of_other_hosts_are_refused() {
        let config = Config::default();
        for good in
            [None, Some("http://localhost"), Some("https://localhost:5281"), Some("http://LOCALHOST:5173")]
        {
            assert!(is_allowed(&config, good, None), "{good:?}");
        }
        let bad = [
            "null",
            "https://example.org",
            "https://localhost.example.org",
            "https://example.org:localhost",
            "https://localhost@example.org",
            "localhost",
            "file://localhost",
            "",
        ];
        for origin in bad {
            assert!(!is_allowed(&config, Some(origin), host_in(origin)), "{origin}");
        }
    }

    /// The host that a browser names for a page.
    fn host_in(origin: &str) -> Option<&str> {
        origin.split_once("//").map(|(_, host)| host)
    }

    #[test]
    fn a_page_from_an_ip_address_may_ask_that_address_and_no_other() {
        let config = Config::default();
        let cases = [
            ("http://192.0.2.7:5280", Some("192.0.2.7:5280"), true),
            ("https://[2001:db8::7]:5281", Some("[2001:DB8::7]:5281"), true),
            ("http://192.0.2.7", Some("192.0.2.7"), true),
            ("http://192.0.2.7:5280", Some("192.0.2.7:5281"), false),
            ("http://192.0.2.8:5280", Some("192.0.2.7:5280"), false),
            ("http://192.0.2.7:5280", Some("localhost:5280"), false),
            ("http://192.0.2.7:5280", None, false),
            ("http://evil.example:5280", Some("evil.example:5280"), false),
        ];
        for (origin, asked, allowed) in cases {
            assert_eq!(is_allowed(&config, Some(origin), asked), allowed, "{origin} at {asked:?}");
        }
        let config = Config {
            http: crate::http::Config { allowed_origins: Some(Vec::new()), ..config.http.clone() },
            ..config
        };
        assert!(!is_allowed(&config, Some("http://192.0.2.7"), Some("192.0.2.7")), "a list is all there is");
    }

    #[test]
    fn a_list_allows_what_it_names_and_nothing_else() {
        let mut config = Config::default();
        config.http.allowed_origins = Some(vec!["https://chat.example.org".to_owned()]);
        assert!(is_allowed(&config, Some("https://chat.example.org"), Some("localhost")));
        assert!(!is_allowed(&config, Some("http://chat.example.org"), Some("localhost")));
        assert!(!is_allowed(&config, Some("https://chat.example.org:8443"), Some("localhost")));
        assert!(!is_allowed(&config, Some("https://localhost"), Some("localhost")));
    }
}
