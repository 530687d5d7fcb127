//! What somebody prefers, on all devices.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Notify, Patch, is_false};

/// When nothing makes a noise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuietHours {
    /// On which days they begin: 0 for Sunday to 6 for Saturday.
    pub(crate) days: Vec<u8>,
    /// When they begin, `HH:MM`.
    pub(crate) from: String,
    /// When they end, `HH:MM`; if that is earlier than `from`, on the next day.
    pub(crate) to: String,
    /// The time zone, by its name in the IANA database.
    pub(crate) zone: String,
}

/// A section of the sidebar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Section {
    /// Its id, chosen by the client.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// Folded.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) collapsed: bool,
}

/// Where a conversation opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OpenAt {
    /// Where it was last read.
    #[default]
    LastRead,
    /// At its newest message.
    Newest,
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Theme {
    /// As the device has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
    /// With high contrast.
    Contrast,
}

/// How close things stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Density {
    /// With room around them.
    #[default]
    Comfortable,
    /// Close together.
    Compact,
}

/// What somebody prefers, on all devices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Preferences {
    /// Light or dark.
    pub(crate) theme: Theme,
    /// How close things stand together.
    pub(crate) density: Density,
    /// The language, as of BCP 47; absent for that of the browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) language: Option<String>,
    /// The enter key sends.
    pub(crate) enter_sends: bool,
    /// What to be told of.
    pub(crate) notify: Notify,
    /// Words that count as a mention.
    pub(crate) keywords: Vec<String>,
    /// With a sound.
    pub(crate) sound: bool,
    /// By the desktop's own notifications.
    pub(crate) desktop: bool,
    /// Push messages show what was written.
    pub(crate) previews_in_push: bool,
    /// When nothing makes a noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quiet_hours: Option<QuietHours>,
    /// Where a conversation opens.
    pub(crate) open_at: OpenAt,
    /// The sections of the sidebar.
    pub(crate) sections: Vec<Section>,
    /// After how many minutes without doing anything one is away; 0 for never.
    pub(crate) auto_away_minutes: u32,
    /// What a client keeps for itself.
    pub(crate) client: BTreeMap<String, Value>,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            theme: Theme::default(),
            density: Density::default(),
            language: None,
            enter_sends: true,
            notify: Notify::Mentions,
            keywords: Vec::new(),
            sound: true,
            desktop: true,
            previews_in_push: true,
            quiet_hours: None,
            open_at: OpenAt::default(),
            sections: Vec::new(),
            auto_away_minutes: 10,
            client: BTreeMap::new(),
        }
    }
}

/// A change of what somebody prefers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PreferencesChange {
    /// Light or dark.
    pub(crate) theme: Patch<Theme>,
    /// How close things stand together.
    pub(crate) density: Patch<Density>,
    /// The language, as of BCP 47.
    pub(crate) language: Patch<String>,
    /// The enter key sends.
    pub(crate) enter_sends: Patch<bool>,
    /// What to be told of.
    pub(crate) notify: Patch<Notify>,
    /// Words that count as a mention.
    pub(crate) keywords: Patch<Vec<String>>,
    /// With a sound.
    pub(crate) sound: Patch<bool>,
    /// By the desktop's own notifications.
    pub(crate) desktop: Patch<bool>,
    /// Push messages show what was written.
    pub(crate) previews_in_push: Patch<bool>,
    /// When nothing makes a noise.
    pub(crate) quiet_hours: Patch<QuietHours>,
    /// Where a conversation opens.
    pub(crate) open_at: Patch<OpenAt>,
    /// The sections of the sidebar.
    pub(crate) sections: Patch<Vec<Section>>,
    /// After how many minutes without doing anything one is away; 0 for never.
    pub(crate) auto_away_minutes: Patch<u32>,
    /// What a client keeps for itself.
    pub(crate) client: Patch<BTreeMap<String, Value>>,
}

impl PreferencesChange {
    /// Makes the change.
    pub(crate) fn apply(self, to: &mut Preferences) {
        let first = Preferences::default();
        self.theme.apply_or(&mut to.theme, first.theme);
        self.density.apply_or(&mut to.density, first.density);
        self.language.apply(&mut to.language);
        self.enter_sends.apply_or(&mut to.enter_sends, first.enter_sends);
        self.notify.apply_or(&mut to.notify, first.notify);
        self.keywords.apply_or(&mut to.keywords, first.keywords);
        self.sound.apply_or(&mut to.sound, first.sound);
        self.desktop.apply_or(&mut to.desktop, first.desktop);
        self.previews_in_push.apply_or(&mut to.previews_in_push, first.previews_in_push);
        self.quiet_hours.apply(&mut to.quiet_hours);
        self.open_at.apply_or(&mut to.open_at, first.open_at);
        self.sections.apply_or(&mut to.sections, first.sections);
        self.auto_away_minutes.apply_or(&mut to.auto_away_minutes, first.auto_away_minutes);
        self.client.apply_or(&mut to.client, first.client);
    }
}

/// What somebody prefers, told.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PreferencesGot {
    /// All of it.
    pub(crate) preferences: Preferences,
}
