//! Who wants to be told of what: a pure decision over somebody's rules and one message.

use super::Content;

/// What somebody wants to be told of in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notify {
    /// Every message.
    All,
    /// What names him.
    Mentions,
    /// Nothing.
    Nothing,
}

/// Hours in which nobody wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    /// The days on which they begin, Monday first.
    pub days: [bool; 7],
    /// The minute of the day from which on.
    pub from: u16,
    /// The minute of the day until which; before `from`, it is the next day's.
    pub to: u16,
}

impl QuietHours {
    /// Whether it is quiet at a minute of a day, Monday being 0.
    pub fn holds(&self, day: usize, minute: u16) -> bool {
        let begun = |day: usize| self.days[day % 7];
        if self.from <= self.to {
            return begun(day) && (self.from..self.to).contains(&minute);
        }
        (begun(day) && minute >= self.from) || (begun(day + 6) && minute < self.to)
    }
}

/// The rules of one person for one conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Of what he wants to be told; without his word, of all that is said to him alone and of what names him elsewhere.
    pub notify: Option<Notify>,
    /// He does not want to be told until then, milliseconds since the Unix epoch.
    pub muted_until_ms: u64,
    /// Words that count like his name.
    pub keywords: Vec<String>,
    /// It is one of his quiet hours.
    pub quiet: bool,
    /// How much a push may show.
    pub content: Content,
}

impl Default for Rules {
    fn default() -> Self {
        Self { notify: None, muted_until_ms: 0, keywords: Vec::new(), quiet: false, content: Content::Full }
    }
}

/// A message as the rules see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// It was said to the person alone.
    pub direct: bool,
    /// It names the person, or everybody.
    pub names_him: bool,
    /// What was said.
    pub text: &'a str,
    /// Now, milliseconds since the Unix epoch.
    pub now_ms: u64,
}

impl Rules {
    /// Whether the person wants to be told.
    pub fn want(&self, facts: Facts<'_>) -> bool {
        if self.quiet || self.muted_until_ms > facts.now_ms {
            return false;
        }
        let named = facts.names_him || self.keywords.iter().any(|word| has_word(facts.text, word));
        match self.notify {
            Some(Notify::Nothing) => false,
            Some(Notify::All) => true,
            Some(Notify::Mentions) => named,
            None => facts.direct || named,
        }
    }
}

/// Whether a text has these words in it, whatever their case, and not as a part of others.
pub fn has_word(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.trim().to_lowercase());
    if word.is_empty() {
        return false;
    }
    // Scripts that put no spaces between words have none to look for.
    let bounded =
        |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() || !c.is_ascii() && !c.is_lowercase());
    text.match_indices(&word).any(|(at, found)| {
        bounded(text[..at].chars().next_back()) && bounded(text[at + found.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(text: &str) -> Facts<'_> {
        Facts { direct: false, names_him: false, text, now_ms: 1000 }
    }

    #[test]
    fn each_rule_counts() {
        let rules = |change: fn(&mut Rules)| {
            let mut rules = Rules::default();
            change(&mut rules);
            rules
        };
        let said = facts("the build is red");
        let (direct, named) = (Facts { direct: true, ..said }, Facts { names_him: true, ..said });
        let table: [(Rules, [bool; 3]); 7] = [
            (rules(|_| ()), [false, true, true]),
            (rules(|r| r.notify = Some(Notify::All)), [true, true, true]),
            (rules(|r| r.notify = Some(Notify::Mentions)), [false, false, true]),
            (rules(|r| r.notify = Some(Notify::Nothing)), [false, false, false]),
            (rules(|r| r.muted_until_ms = 1001), [false, false, false]),
            (rules(|r| r.quiet = true), [false, false, false]),
            (rules(|r| r.keywords = vec!["Build".to_owned()]), [true, true, true]),
        ];
        for (rules, wanted) in table {
            assert_eq!([said, direct, named].map(|facts| rules.want(facts)), wanted, "{rules:?}");
        }
        assert!(rules(|r| r.muted_until_ms = 1000).want(direct), "the time is over");
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("Ann, please", "ann") && has_word("please, ANN", "Ann"));
        assert!(!has_word("an announcement", "ann") && !has_word("Joann", "ann") && !has_word("x", " "));
        assert!(has_word("请看一下构建结果", "构建"));
        assert!(!has_word("Müller", "Mü"));
    }

    #[test]
    fn quiet_hours_go_over_midnight() {
        let nights = QuietHours { days: [true, true, true, true, true, false, false], from: 1320, to: 420 };
        assert!(nights.holds(0, 1320) && nights.holds(1, 419) && !nights.holds(1, 420));
        assert!(nights.holds(5, 100), "Friday's night reaches into Saturday");
        assert!(!nights.holds(5, 1400) && !nights.holds(0, 100), "none begins on Saturday or Sunday");
        let noon = QuietHours { days: [true; 7], from: 720, to: 780 };
        assert!(noon.holds(3, 720) && !noon.holds(3, 780));
    }
}
