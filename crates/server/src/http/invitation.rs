//! The page behind an invitation's link: what it is for, the link to open in a client, and clients to open it with
//! (XEP-0401 section 5.2, XEP-0379 section 3.3). No script, nothing from elsewhere.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use waxwing_chat::invitation::Invitation;
use waxwing_chat::time::timestamp;

use super::Http;

/// Where the pages are; the token follows.
pub(super) const PATH: &str = "/invite/{token}";

/// Where their style is.
pub(super) const STYLE_PATH: &str = "/invite/style.css";

const STYLE: &str = include_str!("invitation/style.css");

/// The page loads its own style and nothing else.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// A kind of device, the word for it in a browser's name, and clients for it with what they say of their licence.
struct Platform {
    name: &'static str,
    marks: &'static [&'static str],
    clients: &'static [Client],
}

struct Client {
    name: &'static str,
    address: &'static str,
    licence: &'static str,
}

const fn client(name: &'static str, address: &'static str, licence: &'static str) -> Client {
    Client { name, address, licence }
}

const GAJIM: Client = client("Gajim", "https://gajim.org/", "free software, GPL");
const DINO: Client = client("Dino", "https://dino.im/", "free software, GPL");
const MONAL: Client = client("Monal", "https://monal-im.org/", "free software, BSD");

/// Clients that are maintained, free to use, and open the links of invitations. A mark that stands in another's browser
/// name comes after that other: Android's says Linux too.
const PLATFORMS: [Platform; 5] = [
    Platform {
        name: "Android",
        marks: &["Android"],
        clients: &[
            client("Conversations", "https://conversations.im/", "free software, GPL"),
            client("Cheogram", "https://cheogram.com/", "free software, GPL"),
        ],
    },
    Platform {
        name: "iPhone and iPad",
        marks: &["iPhone", "iPad"],
        clients: &[MONAL, client("Siskin IM", "https://siskin.im/", "free software, GPL")],
    },
    Platform {
        name: "macOS",
        marks: &["Macintosh"],
        clients: &[MONAL, client("Beagle IM", "https://beagle.im/", "free software, GPL"), GAJIM],
    },
    Platform { name: "Windows", marks: &["Windows"], clients: &[GAJIM] },
    Platform { name: "Linux", marks: &["Linux", "X11"], clients: &[DINO, GAJIM] },
];

/// `/invite/TOKEN`
pub(super) async fn page(
    State(http): State<Arc<Http>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(chat) = &http.chat else { return StatusCode::NOT_FOUND.into_response() };
    let browser = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match chat.invitation(&token).await {
        Ok(Some(invitation)) => {
            answer(StatusCode::OK, good(&invitation, browser, super::WEB_CLIENT_IS_BUILT_IN))
        }
        Ok(None) => answer(StatusCode::NOT_FOUND, spent()),
        Err(error) => {
            tracing::error!(%error, "an invitation could not be looked up");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// `/invite/style.css`
pub(super) async fn style() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=86400")];
    (headers, STYLE).into_response()
}

fn answer(status: StatusCode, page: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::VARY, "User-Agent"),
        (header::HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    (status, headers, page).into_response()
}

fn frame(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <link rel=\"stylesheet\" href=\"{STYLE_PATH}\">\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// The page of an invitation that can be used: here, where there is a web client and the invitation makes an account, or with an app.
fn good(invitation: &Invitation, browser: &str, web_client: bool) -> String {
    let Invitation { register_at, username, inviter, .. } = invitation;
    let here = register_at.as_deref().or(inviter.as_ref().map(|jid| jid.domain())).unwrap_or_default();
    let here = escape(here);
    let inviter = inviter.as_ref().map(|jid| escape(jid.as_str()));
    let title = match (&inviter, register_at) {
        (Some(inviter), _) => format!("{inviter} invites you to chat"),
        (None, _) => format!("You are invited to chat on {here}"),
    };
    let purpose = match (register_at, username, &inviter) {
        (Some(_), Some(name), _) => {
            format!(
                "You can make the account <strong>{}@{here}</strong>, which is kept for you.",
                escape(name)
            )
        }
        (Some(_), None, Some(_)) => {
            format!(
                "You become contacts. If you have no account yet, you can make one on <strong>{here}</strong>."
            )
        }
        (Some(_), None, None) => format!("You can make an account on <strong>{here}</strong>."),
        (None, ..) => "You become contacts. You need an account of your own, on any server.".to_owned(),
    };
    let uri = escape(&invitation.uri());
    let until = timestamp(invitation.expires_ms);
    let (day, time) = (until.get(..10).unwrap_or_default(), until.get(11..16).unwrap_or_default());
    let uses = match invitation.uses_left {
        1 => "It can be used once.".to_owned(),
        n => format!("It can be used {n} times."),
    };
    let mut body = format!(
        "<p class=\"server\">Invitation from the XMPP server {here}</p>\n<h1>{title}</h1>\n<p>{purpose}</p>\n"
    );
    if web_client && register_at.is_some() {
        // The fragment stays in the browser, so that no server in between gets to see the token once more.
        let _ = write!(
            body,
            "<a class=\"button\" href=\"/#/invite/{}\">Go on in this browser</a>\n\
             <p>Or use an XMPP app, in two steps:</p>\n",
            escape(&invitation.token)
        );
    }
    body.push_str(
        "<h2>1. Install an app</h2>\n<p>The invitation opens in an XMPP app. Without one, the button below does nothing. \
         If you have one already, go on with step 2.</p>\n",
    );
    clients(&mut body, browser);
    let _ = write!(
        body,
        "<h2>2. Come back here and open the invitation</h2>\n<a class=\"button\" href=\"{uri}\">Open the invitation</a>\n<p class=\"quiet\">Good until <time datetime=\"{until}\">{day} {time} UTC</time>. {uses} \
         Whoever has this link can use it: do not pass it on.</p>\n<details>\n<summary>The button does not work</summary>\n\
         <p>Copy this link and paste it into the app, where it adds an account or a contact:</p>\n<code>{uri}</code>\n\
         </details>\n"
    );
    frame(&title, &body)
}

/// The clients for the device that asks, and behind a fold those for the others.
fn clients(body: &mut String, browser: &str) {
    let own = PLATFORMS.iter().position(|platform| platform.marks.iter().any(|mark| browser.contains(mark)));
    let list = |body: &mut String, platform: &Platform| {
        body.push_str("<ul class=\"clients\">\n");
        for Client { name, address, licence } in platform.clients {
            let _ = writeln!(
                body,
                "<li><a href=\"{address}\" rel=\"noreferrer\">{name}</a> <span>{licence}</span></li>"
            );
        }
        body.push_str("</ul>\n");
    };
    let fold = if let Some(own) = own {
        let _ = writeln!(body, "<p>For {}:</p>", PLATFORMS[own].name);
        list(body, &PLATFORMS[own]);
        "<details>\n<summary>Apps for other devices</summary>\n"
    } else {
        "<details open>\n<summary>Apps by device</summary>\n"
    };
    body.push_str(fold);
    for (index, platform) in PLATFORMS.iter().enumerate() {
        if Some(index) != own {
            let _ = writeln!(body, "<h3>{}</h3>", platform.name);
            list(body, platform);
        }
    }
    body.push_str(
        "<p class=\"quiet\">There are more: <a href=\"https://xmpp.org/software/\" rel=\"noreferrer\">the list at \
         xmpp.org</a>.</p>\n</details>\n",
    );
}

/// The page of an invitation that is used up, over, withdrawn, or never was: which of these is nobody's business.
fn spent() -> String {
    frame(
        "This invitation is not good any more",
        "<h1>This invitation is not good any more</h1>\n<p>It was used, its time is over, or it was withdrawn. Ask whoever \
         sent it to you for another.</p>\n",
    )
}

/// Text as it may stand between tags and in attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use waxwing_xmpp::jid::Jid;

    use super::*;

    fn invitation() -> Invitation {
        Invitation {
            token: "TOKEN".to_owned(),
            register_at: Some("example.com".to_owned()),
            username: None,
            inviter: Some(Jid::new("om@example.com").expect("an address")),
            created_ms: 0,
            expires_ms: 1_509_936_975_000,
            uses_left: 1,
        }
    }

    /// XEP-0401 section 5.2: who invites, clients for this device, and the link.
    #[test]
    fn the_page_says_what_it_is_for() {
        let page = good(&invitation(), "Mozilla/5.0 (Linux; Android 14; Pixel 8)", false);
        assert!(page.contains("om@example.com invites you to chat"), "{page}");
        let link = "href=\"xmpp:om@example.com?roster;preauth=TOKEN;ibr=y\"";
        assert!(page.contains(link), "{page}");
        assert!(page.contains("2017-11-06 02:56 UTC") && page.contains("used once"), "{page}");
        let (first, rest) = page.split_once("<details>").expect("a fold");
        assert!(first.contains("For Android:") && first.contains("Conversations"), "{first}");
        assert!(rest.contains("<h3>Linux</h3>") && !rest.contains("<h3>Android</h3>"), "{rest}");
        assert!(!page.contains("<script") && !page.contains("style="), "{page}");
        let unknown = good(&invitation(), "", false);
        assert!(unknown.contains("<details open>") && unknown.contains("<h3>Android</h3>"), "{unknown}");
    }

    #[test]
    fn an_account_can_be_made_in_the_browser() {
        let link = "href=\"/#/invite/TOKEN\"";
        assert!(good(&invitation(), "", true).contains(link));
        assert!(!good(&invitation(), "", false).contains(link), "not without a web client");
        let contacts = Invitation { register_at: None, ..invitation() };
        assert!(!good(&contacts, "", true).contains(link), "nor where no account is made");
    }

    #[test]
    fn what_is_not_ours_is_escaped() {
        assert_eq!(escape("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
        let named = Invitation { username: Some("a<b".to_owned()), inviter: None, ..invitation() };
        let page = good(&named, "", false);
        assert!(page.contains("a&lt;b@example.com") && !page.contains("a<b"), "{page}");
        assert!(page.contains("You are invited to chat on example.com"), "{page}");
    }
}
