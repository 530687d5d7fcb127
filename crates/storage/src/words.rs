//! Words for full-text search, made the same way from messages and from questions.
//!
//! Text is decomposed, stripped of Latin, Greek and Cyrillic accents, case-folded and recomposed (NFKC). Runs of letters,
//! digits and marks are words. In scripts that write no spaces (Han, kana, Hangul, Thai and its neighbours), each pair of
//! neighbouring characters is a word, and so is the last character of a run, so that each character begins some word
//! and a search for a single one is a search for a prefix.
//!
//! A term in the index is a word behind its owner's number: one owner's postings lie together, and a search never reads
//! another's.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use waxwing_chat::account::AccountId;

/// Longer words are cut, in messages and questions alike.
const MAX_WORD_CHARS: usize = 64;
/// Words of a message beyond this many are not indexed.
const MAX_WORDS: usize = 4096;
/// Words of a question beyond this many are not looked for.
const MAX_QUESTION_WORDS: usize = 32;

/// A question to the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// In the query language of FTS5.
    pub(crate) fts: String,
    words: Vec<Wanted>,
    /// Runs that the index only knows by their pairs; the text must hold them whole.
    runs: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    Word(String),
    Beginning(String),
}

impl Question {
    /// Whether the text has to be looked at besides the index.
    pub(crate) fn is_exact(&self) -> bool {
        self.runs.is_empty()
    }

    /// Whether the text answers the question, without any help by the index.
    pub(crate) fn is_answered_by(&self, text: &str) -> bool {
        let words = words(text);
        self.words.iter().all(|wanted| match wanted {
            Wanted::Word(word) => words.binary_search(word).is_ok(),
            Wanted::Beginning(start) => words.iter().any(|word| word.starts_with(start.as_str())),
        }) && self.holds_runs(text)
    }

    /// Whether the text holds what the index could not promise.
    pub(crate) fn holds_runs(&self, text: &str) -> bool {
        let folded: String = fold(text).collect();
        self.runs.iter().all(|run| folded.contains(run.as_str()))
    }
}

/// The terms of a message for each of its owners, separated by spaces.
pub(crate) fn document(owners: impl Iterator<Item = AccountId>, text: &str, out: &mut String) {
    out.clear();
    let words = words(text);
    for owner in owners {
        let prefix = prefix(owner);
        for word in &words {
            out.push_str(&prefix);
            out.push_str(word);
            out.push(' ');
        }
    }
}

/// What to ask the index for the messages of one owner that hold all words of a text; `None` when it has no words.
pub(crate) fn question(owner: AccountId, text: &str) -> Option<Question> {
    let mut wanted = Vec::new();
    let mut runs = Vec::new();
    let mut folded = String::with_capacity(text.len());
    each_run(text, &mut folded, |run, spaced| {
        let chars = run.chars().count();
        if spaced {
            wanted.push(Wanted::Word(cut(run).to_owned()));
        } else if chars == 1 {
            wanted.push(Wanted::Beginning(run.to_owned()));
        } else {
            pairs(run, |pair| wanted.push(Wanted::Word(pair.to_owned())));
            if chars > 2 {
                runs.push(run.to_owned());
            }
        }
    });
    wanted.sort_unstable();
    wanted.dedup();
    wanted.truncate(MAX_QUESTION_WORDS);
    let prefix = prefix(owner);
    let terms: Vec<_> = wanted
        .iter()
        .map(|wanted| match wanted {
            Wanted::Word(word) => format!("\"{prefix}{word}\""),
            Wanted::Beginning(start) => format!("\"{prefix}{start}\" *"),
        })
        .collect();
    (!terms.is_empty()).then(|| Question { fts: terms.join(" AND "), words: wanted, runs })
}

/// The words of a text, sorted, each once.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut folded = String::with_capacity(text.len());
    each_run(text, &mut folded, |run, spaced| {
        if words.len() < MAX_WORDS {
            words_of(run, spaced, |word| words.push(word.to_owned()));
        }
    });
    words.truncate(MAX_WORDS);
    words.sort_unstable();
    words.dedup();
    words
}

fn words_of(run: &str, spaced: bool, mut word: impl FnMut(&str)) {
    if spaced {
        word(cut(run));
    } else {
        pairs(run, &mut word);
        let last = run.char_indices().next_back().map_or(0, |(at, _)| at);
        word(&run[last..]);
    }
}

fn pairs(run: &str, mut pair: impl FnMut(&str)) {
    let mut starts = run.char_indices().map(|(at, _)| at).chain([run.len()]);
    let (mut first, mut second) = (starts.next(), starts.next());
    for third in starts {
        if let (Some(from), Some(_)) = (first, second) {
            pair(&run[from..third]);
        }
        (first, second) = (second, Some(third));
    }
}

fn cut(word: &str) -> &str {
    word.char_indices().nth(MAX_WORD_CHARS).map_or(word, |(at, _)| &word[..at])
}

fn prefix(owner: AccountId) -> String {
    format!("{:x}_", owner.0)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Spaced,
    Unspaced,
}

/// Calls `run` with each maximal run of one class, and whether its script separates words by spaces.
fn each_run<'f>(text: &str, folded: &'f mut String, mut run: impl FnMut(&'f str, bool)) {
    if text.is_ascii() {
        folded.extend(text.chars().map(|c| c.to_ascii_lowercase()));
    } else {
        folded.extend(fold(text));
    }
    let folded: &'f str = folded;
    let (mut from, mut class) = (0, Class::Space);
    for (at, c) in folded.char_indices() {
        let next = class_of(c, class);
        if next != class {
            if class != Class::Space {
                run(&folded[from..at], class == Class::Spaced);
            }
            (from, class) = (at, next);
        }
    }
    if class != Class::Space {
        run(&folded[from..], class == Class::Spaced);
    }
}

/// Case-folded NFKC without the accents of Latin, Greek and Cyrillic letters.
fn fold(text: &str) -> impl Iterator<Item = char> + '_ {
    text.nfkd()
        .filter(|c| !('\u{300}'..='\u{36f}').contains(c))
        // Upper case first: it brings together what lower case alone keeps apart, such as ß and SS, σ and ς.
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkc()
}

fn class_of(c: char, before: Class) -> Class {
    if c.is_ascii() {
        return if c.is_ascii_alphanumeric() { Class::Spaced } else { Class::Space };
    }
    match u32::from(c) {
        // Han, kana, bopomofo, Hangul, Yi, and the ideographic planes.
        0x3005..=0x3007 | 0x3021..=0x3029 | 0x3040..=0x312f | 0x3130..=0x318f | 0x31a0..=0x31ff => {
            Class::Unspaced
        }
        0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xa000..=0xa4cf | 0xac00..=0xd7ff | 0xf900..=0xfaff => {
            Class::Unspaced
        }
        0x1100..=0x11ff | 0xa960..=0xa97f | 0x1b000..=0x1b16f | 0x20000..=0x3ffff => Class::Unspaced,
        // Thai and Lao, Myanmar, Khmer.
        0xe01..=0xe3a | 0xe40..=0xe4e | 0xe81..=0xece | 0x1000..=0x103f | 0x1780..=0x17d3 => Class::Unspaced,
        _ if is_combining_mark(c) || c == '\u{200c}' || c == '\u{200d}' => before,
        _ if c.is_alphanumeric() => Class::Spaced,
        _ => Class::Space,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indexed(text: &str) -> Vec<String> {
        let mut out = String::new();
        document([AccountId(10)].into_iter(), text, &mut out);
        out.split_whitespace().map(|term| term.strip_prefix("a_").unwrap().to_owned()).collect()
    }

    fn terms(text: &str) -> String {
        question(AccountId(10), text).map(|q| q.fts).unwrap_or_default()
    }

    #[test]
    fn folds_case_width_and_accents() {
        assert_eq!(indexed("Wherefore ART thou, Romeo?"), ["art", "romeo", "thou", "wherefore"]);
        assert_eq!(indexed("Straße STRASSE"), ["strasse"]);
        assert_eq!(indexed("Ὀδυσσεύς ΟΔΥΣΣΕΥΣ"), ["οδυσσευσ"]);
        assert_eq!(indexed("schön İstanbul"), ["istanbul", "schon"]);
        assert_eq!(indexed("ﬁle Ｗａｘ"), ["file", "wax"]);
        assert_eq!(indexed("हिन्दी"), ["हिन्दी"], "a virama does not split a word");
    }

    #[test]
    fn pairs_up_what_is_written_without_spaces() {
        assert_eq!(indexed("中国人"), ["中国", "人", "国人"]);
        assert_eq!(indexed("見る"), ["る", "見る"]);
        assert_eq!(indexed("use漢字now"), ["now", "use", "字", "漢字"]);
        assert_eq!(indexed("ﾃﾞﾊﾞｯｸﾞ"), indexed("デバッグ"));
        assert_eq!(indexed("사랑"), ["랑", "사랑"]);
    }

    #[test]
    fn asks_for_all_words() {
        assert_eq!(terms("Romeo, romeo! art"), "\"a_art\" AND \"a_romeo\"");
        assert_eq!(terms("中国人"), "\"a_中国\" AND \"a_国人\"");
        assert_eq!(terms("国"), "\"a_国\" *");
        assert_eq!(terms("!?\" OR *"), "\"a_or\"");
        assert_eq!(terms("!?"), "");
    }

    #[test]
    fn long_runs_are_compared_with_the_text() {
        let asked = question(AccountId(10), "中国人").unwrap();
        assert!(!asked.is_exact() && asked.holds_runs("我是中国人。") && !asked.holds_runs("中国 国人"));
        assert!(question(AccountId(10), "中国 art").unwrap().is_exact());
    }

    #[test]
    fn answers_without_the_index() {
        let answered = |asked: &str, text: &str| question(AccountId(10), asked).unwrap().is_answered_by(text);
        assert!(answered("ART romeo", "Wherefore art thou, Romeo?") && !answered("art juliet", "art, romeo"));
        assert!(
            answered("国", "我是中国人")
                && answered("中国人", "我是中国人")
                && !answered("中国人", "中国 国人")
        );
    }

    #[test]
    fn bounds_words() {
        let long = "x".repeat(100);
        assert_eq!(indexed(&long), ["x".repeat(64)]);
        assert_eq!(terms(&long), format!("\"a_{}\"", "x".repeat(64)));
        let many: String = (0..10_000).map(|n| format!("w{n} ")).collect();
        assert_eq!(indexed(&many).len(), MAX_WORDS);
    }
}
