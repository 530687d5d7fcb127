//! What somebody prefers, on all devices.

use waxwing_chat::conversations::keeping::Item;
use waxwing_chat::push::wishes::is_zone;
use waxwing_chat::state::StateKind;

use crate::json::codec;
use crate::json::conversations::kept;
use crate::json::error::Fault;
use crate::json::method::{Call, Method, method};
use crate::json::types::{Nothing, Preferences, PreferencesChange, PreferencesGot};

/// How many words count as a mention.
const KEYWORDS_LIMIT: usize = 50;

/// Bytes of one of them.
const KEYWORD_BYTES_LIMIT: usize = 100;

/// How many sections the sidebar has.
const SECTIONS_LIMIT: usize = 50;

/// The methods.
pub(super) const METHODS: &[Method] = &[
    method!("preferences.get", "Tells what one prefers.", Nothing => PreferencesGot, get),
    method!(
        "preferences.change",
        "Prefers something else. What is absent stays as it is, `null` is as at the beginning.",
        PreferencesChange => PreferencesGot,
        change
    ),
];

async fn current(call: &Call) -> Result<Preferences, Fault> {
    let content = call.chat().kept_in_step(&call.owner(), StateKind::Preferences, "").await?;
    Ok(kept(content.as_deref()).unwrap_or_default())
}

async fn get(call: Call, Nothing {}: Nothing) -> Result<PreferencesGot, Fault> {
    Ok(PreferencesGot { preferences: current(&call).await? })
}

async fn change(call: Call, params: PreferencesChange) -> Result<PreferencesGot, Fault> {
    let mut preferences = current(&call).await?;
    params.apply(&mut preferences);
    check(&preferences)?;
    let content = Some(codec::written(&preferences));
    let item = Item { owner: call.owner(), kind: StateKind::Preferences, key: String::new(), content };
    call.chat().keep_in_step(vec![item]).await?;
    Ok(PreferencesGot { preferences })
}

/// Refuses words that are too many or too long to look for in whatever is said.
pub(super) fn check_keywords(field: &'static str, words: &[String]) -> Result<(), Fault> {
    if words.len() > KEYWORDS_LIMIT {
        return Err(Fault::field(field, format!("There may be {KEYWORDS_LIMIT} of them.")));
    }
    if words.iter().any(|word| word.len() > KEYWORD_BYTES_LIMIT) {
        return Err(Fault::field(field, format!("Each may have {KEYWORD_BYTES_LIMIT} bytes.")));
    }
    Ok(())
}

fn check(preferences: &Preferences) -> Result<(), Fault> {
    check_keywords("keywords", &preferences.keywords)?;
    if preferences.sections.len() > SECTIONS_LIMIT {
        return Err(Fault::field("sections", format!("There may be {SECTIONS_LIMIT} of them.")));
    }
    let Some(quiet) = &preferences.quiet_hours else { return Ok(()) };
    let is_time = |text: &str| {
        let (hours, minutes) = text.split_once(':').unwrap_or_default();
        let number = |part: &str, below: u8| part.len() == 2 && part.parse().is_ok_and(|n: u8| n < below);
        number(hours, 24) && number(minutes, 60)
    };
    if !is_time(&quiet.from) || !is_time(&quiet.to) || quiet.days.iter().any(|day| *day > 6) {
        return Err(Fault::field(
            "quiet_hours",
            "Times are like 22:00, and days 0 for Sunday to 6 for Saturday.",
        ));
    }
    if !is_zone(&quiet.zone) {
        let sentence = "The time zone has to have a name like Europe/Berlin.";
        return Err(Fault::field("quiet_hours.zone", sentence));
    }
    Ok(())
}
