//! What one says of oneself, and one's password.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::Semaphore;
use waxwing_chat::auth::Attempt;
use waxwing_chat::people::card::Photo;
use waxwing_chat::people::facts::Fact;
use waxwing_chat::rosters::Owner;
use waxwing_xmpp::sasl::Failure;

use crate::json::error::{Condition, Fault};
use crate::json::method::{Call, Method, method};
use crate::json::people;
use crate::json::types::{Nothing, Patch, ProfileChange, ProfileGot, ProfileSetAvatar, ProfileSetPassword};
use crate::pictures;

/// The methods.
pub(super) const METHODS: &[Method] = &[
    method!("profile.get", "Tells of one's own account.", Nothing => ProfileGot, get),
    method!(
        "profile.change",
        "Says something else of oneself, which XMPP clients see as well.",
        ProfileChange => ProfileGot,
        change
    ),
    method!(
        "profile.set_avatar",
        "Shows another picture of oneself, or none. It is cut down to a small one without anything else in it.",
        ProfileSetAvatar => ProfileGot,
        set_avatar
    ),
    method!(
        "profile.set_password",
        "Sets another password. Everything else that is signed in is signed out, and no token is good any more: ask for another with `session.renew`.",
        ProfileSetPassword => Nothing,
        set_password
    ),
];

/// Pixels of the longer side of a picture.
const SIDES: [u32; 3] = [256, 160, 96];

/// Bytes of a picture, small enough for a card that holds more than it.
const PICTURE_BYTES_LIMIT: usize = 65_536;

/// Pixels of the largest picture that a small one is made of.
const PIXELS_LIMIT: u64 = 16_777_216;

/// How many pictures are made small at one time: each takes memory for all of its pixels.
static SHRINKING: Semaphore = Semaphore::const_new(2);

/// Bytes of a password. Deriving from a longer one would only cost time.
const PASSWORD_BYTES_LIMIT: usize = 1024;

async fn get(call: Call, Nothing {}: Nothing) -> Result<ProfileGot, Fault> {
    Ok(ProfileGot { account: people::own(&call).await? })
}

async fn change(call: Call, params: ProfileChange) -> Result<ProfileGot, Fault> {
    let owner = Owner::from(&**call.session());
    let ProfileChange { name, title, department, phone, mail } = params;
    let given = [
        ("name", Fact::Name, &name),
        ("title", Fact::Title, &title),
        ("department", Fact::Department, &department),
        ("phone", Fact::Phone, &phone),
        ("mail", Fact::Mail, &mail),
    ];
    let mut facts = Vec::new();
    for (field, fact, patch) in given {
        match patch {
            Patch::Keep => {}
            Patch::Clear => facts.push((fact, None)),
            Patch::Set(text) => {
                people::writable(field, text)?;
                if text.len() > waxwing_chat::people::facts::FACT_BYTES_LIMIT {
                    return Err(Fault::field(field, "That is too long."));
                }
                facts.push((fact, Some(text.clone())));
            }
        }
    }
    let chat = call.chat();
    chat.change_facts(&owner, &facts).await?;
    if name != Patch::Keep {
        let name = match name {
            Patch::Set(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Patch::Keep | Patch::Clear => None,
        };
        let set = chat.set_name(&owner.jid, name, owner.jid.as_str()).await;
        set.map_err(|error| Fault::from(error).about("name"))?;
    }
    get(call, Nothing {}).await
}

async fn set_avatar(call: Call, params: ProfileSetAvatar) -> Result<ProfileGot, Fault> {
    let owner = Owner::from(&**call.session());
    let kind = params.media_type.as_deref();
    if kind.is_some_and(|kind| !kind.starts_with("image/") || kind.starts_with("image/svg")) {
        return Err(Fault::field("type", "It has to be a PNG, JPEG, WebP or GIF."));
    }
    let picture = match params.data {
        Patch::Keep => return Err(Fault::field("data", "The field `data` is missing.")),
        Patch::Clear => None,
        Patch::Set(data) => {
            let data =
                STANDARD.decode(data.trim()).map_err(|_| Fault::field("data", "It has to be base 64."))?;
            let _turn = SHRINKING.acquire().await.map_err(|_| Fault::new(Condition::Unavailable))?;
            // A decoder that panics ends its own task; there is no picture then.
            let small = tokio::task::spawn_blocking(move || small(&data)).await.ok().flatten();
            Some(small.ok_or_else(|| {
                Fault::field("data", "It has to be a PNG, JPEG, WebP or GIF of at most 16 million pixels.")
            })?)
        }
    };
    call.chat().set_avatar(&owner, picture).await.map_err(|error| Fault::from(error).about("data"))?;
    get(call, Nothing {}).await
}

/// The picture as small as it has to be.
fn small(data: &[u8]) -> Option<Photo> {
    SIDES.into_iter().find_map(|side| {
        let (kind, data) = pictures::shrink(data, side, PIXELS_LIMIT)?;
        let fits = data.len() <= PICTURE_BYTES_LIMIT;
        fits.then(|| Photo { media_type: kind.media_type().to_owned(), data: data.to_vec() })
    })
}

async fn set_password(call: Call, params: ProfileSetPassword) -> Result<Nothing, Fault> {
    let session = call.session();
    for (field, password) in [("old", &params.old), ("new", &params.new)] {
        if password.is_empty() || password.len() > PASSWORD_BYTES_LIMIT {
            let sentence = format!("It has to have from 1 to {PASSWORD_BYTES_LIMIT} bytes.");
            return Err(Fault::field(field, sentence));
        }
    }
    // Guesses count like those of somebody who signs in: whoever finds a screen unlocked has no other right.
    let address = session.info().address.map(|address| address.ip());
    let mut attempt = Attempt::new(session.bare.domain(), address);
    let username = session.bare.local().unwrap_or_default();
    call.chat().sign_in(&mut attempt, username, &params.old).await.map_err(|failure| match failure {
        Failure::TemporaryAuthFailure => {
            Fault::new(Condition::Unavailable).saying("That is not possible now. Wait a moment.").about("old")
        }
        _ => Fault::new(Condition::Unauthorized).saying("That is not the password.").about("old"),
    })?;
    let changed = call.chat().change_password(session, &params.new).await;
    changed.map_err(|error| Fault::from(error).about("new"))?;
    Ok(Nothing {})
}
