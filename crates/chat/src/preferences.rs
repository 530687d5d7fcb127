//! Archiving preferences of an account (XEP-0441): what of its conversations is kept.

use waxwing_xmpp::jid::Jid;

/// What happens to conversations with contacts on neither list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DefaultPolicy {
    /// They are archived.
    #[default]
    Always,
    /// They are not archived.
    Never,
    /// They are archived if the contact is in the roster.
    Roster,
}

/// How many addresses each list may hold.
pub const PREFERENCES_LIST_LIMIT: usize = 500;

/// The preferences of one account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchivePreferences {
    /// For contacts on neither list.
    pub default: DefaultPolicy,
    /// Always archived.
    pub always: Vec<Jid>,
    /// Never archived.
    pub never: Vec<Jid>,
}

impl ArchivePreferences {
    /// Reads the stored form; anything unreadable counts as the default, which keeps messages.
    pub fn parse(stored: Option<&str>) -> Self {
        let mut preferences = Self::default();
        for line in stored.unwrap_or_default().lines() {
            match line.split_once(' ') {
                Some(("default", "never")) => preferences.default = DefaultPolicy::Never,
                Some(("default", "roster")) => preferences.default = DefaultPolicy::Roster,
                Some(("always", jid)) => preferences.always.extend(Jid::new(jid)),
                Some(("never", jid)) => preferences.never.extend(Jid::new(jid)),
                _ => {}
            }
        }
        preferences
    }

    /// The form that is stored: a line for the default and for each address.
    pub fn to_stored(&self) -> String {
        let default = match self.default {
            DefaultPolicy::Always => "always",
            DefaultPolicy::Never => "never",
            DefaultPolicy::Roster => "roster",
        };
        let mut out = format!("default {default}\n");
        for (word, list) in [("always", &self.always), ("never", &self.never)] {
            for jid in list {
                out.push_str(word);
                out.push(' ');
                out.push_str(jid.as_str());
                out.push('\n');
            }
        }
        out
    }

    /// Whether a conversation with this address is archived; `None` when that depends on the roster.
    pub fn keeps(&self, peer: &Jid) -> Option<bool> {
        let listed = |list: &[Jid]| list.iter().any(|j| j == peer || (j.is_bare() && j.same_bare(peer)));
        if listed(&self.never) {
            return Some(false);
        }
        if listed(&self.always) {
            return Some(true);
        }
        match self.default {
            DefaultPolicy::Always => Some(true),
            DefaultPolicy::Never => Some(false),
            DefaultPolicy::Roster => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_survive_storing() {
        let preferences = ArchivePreferences {
            default: DefaultPolicy::Roster,
            always: vec![Jid::new("romeo@montague.lit").unwrap()],
            never: vec![Jid::new("montague.lit").unwrap(), Jid::new("x@y.lit/a b").unwrap()],
        };
        assert_eq!(ArchivePreferences::parse(Some(&preferences.to_stored())), preferences);
        assert_eq!(ArchivePreferences::parse(None), ArchivePreferences::default());
    }

    /// XEP-0441 section 3: the lists come before the default, a bare address covers its resources.
    #[test]
    fn lists_come_before_the_default() {
        let preferences = ArchivePreferences {
            default: DefaultPolicy::Never,
            always: vec![Jid::new("romeo@montague.lit").unwrap()],
            never: Vec::new(),
        };
        assert_eq!(preferences.keeps(&Jid::new("romeo@montague.lit/orchard").unwrap()), Some(true));
        assert_eq!(preferences.keeps(&Jid::new("nurse@capulet.lit").unwrap()), Some(false));
    }
}
