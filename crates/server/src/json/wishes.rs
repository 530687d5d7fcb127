//! What somebody wants to be woken for, as clients of this face have written it down.

use waxwing_chat::push::wishes::{Notify, QuietHours, Wishes};

use super::conversations::kept;
use super::types::{self, ConversationSettings, Preferences};

/// What somebody wants of a conversation, from his preferences and his settings of it as they are kept.
pub(crate) fn wishes(preferences: Option<&str>, settings: Option<&str>) -> Wishes {
    let preferences: Preferences = kept(preferences).unwrap_or_default();
    let settings: ConversationSettings = kept(settings).unwrap_or_default();
    let quiet_hours = preferences.quiet_hours.map(|types::QuietHours { days, from, to, zone }| QuietHours {
        days,
        from,
        to,
        zone,
    });
    Wishes {
        notify: match settings.notify.unwrap_or(preferences.notify) {
            types::Notify::All => Notify::All,
            types::Notify::Mentions => Notify::Mentions,
            types::Notify::Nothing => Notify::Nothing,
        },
        keywords: preferences.keywords.into_iter().chain(settings.keywords).collect(),
        muted_until_ms: settings.muted_until_ms,
        quiet_hours,
        previews: preferences.previews_in_push,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_said_nothing_is_woken_by_what_is_meant_for_him() {
        assert_eq!(wishes(None, None), Wishes::default());
        assert_eq!(wishes(Some("{}"), Some("{}")), Wishes::default());
        assert_eq!(wishes(Some("what is this"), Some("[]")), Wishes::default());
    }

    #[test]
    fn what_is_said_of_a_conversation_comes_first() {
        let preferences = r#"{"notify":"nothing","keywords":["release"],"previews_in_push":false,
            "quiet_hours":{"days":[1],"from":"22:00","to":"07:00","zone":"UTC"}}"#;
        let settings = r#"{"notify":"all","keywords":["build"],"muted_until_ms":7}"#;
        let both = wishes(Some(preferences), Some(settings));
        assert_eq!(both.notify, Notify::All);
        assert_eq!(both.keywords, ["release", "build"]);
        assert_eq!((both.muted_until_ms, both.previews), (Some(7), false));
        assert_eq!(both.quiet_hours.map(|quiet| (quiet.days, quiet.zone)), Some((vec![1], "UTC".to_owned())));
        assert_eq!(wishes(Some(preferences), None).notify, Notify::Nothing);
    }
}
