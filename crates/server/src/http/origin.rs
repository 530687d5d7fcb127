//! Whose pages may open a WebSocket: the check of the Origin header (RFC 6455 section 10.2).

use crate::config::Config;

/// Whether a page of this origin may open a WebSocket. Without one the client is no browser.
pub(super) fn is_allowed(settings: &Config, origin: Option<&str>) -> bool {
    let Some(origin) = origin else { return true };
    match &settings.http.allowed_origins {
        Some(list) => list.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin)),
        None => {
            let host =
                ["https://", "http://"].iter().find_map(|scheme| origin.strip_prefix(scheme)).map(host_of);
            host.is_some_and(|host| settings.domain_names().any(|name| name.eq_ignore_ascii_case(host)))
        }
    }
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
            assert!(is_allowed(&config, good), "{good:?}");
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
            assert!(!is_allowed(&config, Some(origin)), "{origin}");
        }
    }

    #[test]
    fn a_list_allows_what_it_names_and_nothing_else() {
        let mut config = Config::default();
        config.http.allowed_origins = Some(vec!["https://chat.example.org".to_owned()]);
        assert!(is_allowed(&config, Some("https://chat.example.org")));
        assert!(!is_allowed(&config, Some("http://chat.example.org")));
        assert!(!is_allowed(&config, Some("https://chat.example.org:8443")));
        assert!(!is_allowed(&config, Some("https://localhost")));
    }
}
