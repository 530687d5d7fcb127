//! Words for full-text search, made the same way from messages and from questions.
//!
//! Text is decomposed, stripped of Latin, Greek and Cyrillic accents, case-folded and recomposed (NFKC). Runs of letters,
//! digits and marks are words. In scripts that write no spaces (Han, kana, Hangul, Thai and its neighbours), each pair of
//! neighbouring characters is a word, and so is each character alone.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Longer words are cut, in messages and questions alike.
const MAX_WORD_CHARS: usize = 64;
/// Words of a message beyond this many are not found.
const MAX_WORDS: usize = 4096;
/// Words of a question beyond this many are not looked for.
const MAX_QUESTION_WORDS: usize = 32;

/// What a text is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    words: Vec<String>,
    /// Runs that are more than their pairs; the text must hold them whole.
    runs: Vec<String>,
}

impl Question {
    /// The words that a text has to have, each once. They may be in it without answering the question.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// Whether the text answers the question.
    pub(crate) fn is_answered_by(&self, text: &str) -> bool {
        let mut found = 0_u32;
        each_word(text, &mut String::new(), |word| {
            if let Ok(at) = self.words.binary_search_by(|wanted| wanted.as_str().cmp(word)) {
                found |= 1 << at;
            }
        });
        found.count_ones() as usize == self.words.len() && self.holds_runs(text)
    }

    fn holds_runs(&self, text: &str) -> bool {
        if self.runs.is_empty() {
            return true;
        }
        let folded: String = fold(text).collect();
        self.runs.iter().all(|run| folded.contains(run.as_str()))
    }
}

/// What to ask for messages that hold all words of a text; `None` when it has no words.
pub(crate) fn question(text: &str) -> Option<Question> {
    let mut words = Vec::new();
    let mut runs = Vec::new();
    each_run(text, &mut String::new(), |run, spaced| {
        let chars = run.chars().take(3).count();
        if spaced {
            words.push(cut(run).to_owned());
        } else if chars == 1 {
            words.push(run.to_owned());
        } else {
            pairs(run, |pair| words.push(pair.to_owned()));
            if chars > 2 {
                runs.push(run.to_owned());
            }
        }
    });
    words.sort_unstable();
    words.dedup();
    words.truncate(MAX_QUESTION_WORDS);
    (!words.is_empty()).then_some(Question { words, runs })
}

/// Calls `word` with each word of a text, some more than once. `scratch` is there to be used again.
pub(crate) fn each_word(text: &str, scratch: &mut String, mut word: impl FnMut(&str)) {
    let mut left = MAX_WORDS;
    let mut bounded = |found: &str| {
        if left > 0 {
            left -= 1;
            word(found);
        }
    };
    each_run(text, scratch, |run, spaced| {
        if spaced {
            bounded(cut(run));
        } else {
            pairs(run, &mut bounded);
            run.char_indices().for_each(|(at, c)| bounded(&run[at..at + c.len_utf8()]));
        }
    });
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
    if word.len() <= MAX_WORD_CHARS {
        return word;
    }
    word.char_indices().nth(MAX_WORD_CHARS).map_or(word, |(at, _)| &word[..at])
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Spaced,
    Unspaced,
}

/// Calls `run` with each maximal run of one class, and whether its script separates words by spaces.
fn each_run(text: &str, scratch: &mut String, mut run: impl FnMut(&str, bool)) {
    if text.is_ascii() {
        return each_ascii_run(text, scratch, run);
    }
    // Folding is slow, and nothing that it does crosses a space.
    for token in text.split_ascii_whitespace() {
        if token.is_ascii() {
            each_ascii_run(token, scratch, &mut run);
            continue;
        }
        scratch.clear();
        scratch.extend(fold(token));
        let (mut from, mut class) = (0, Class::Space);
        for (at, c) in scratch.char_indices() {
            let next = class_of(c, class);
            if next != class {
                if class != Class::Space {
                    run(&scratch[from..at], class == Class::Spaced);
                }
                (from, class) = (at, next);
            }
        }
        if class != Class::Space {
            run(&scratch[from..], class == Class::Spaced);
        }
    }
}

fn each_ascii_run(text: &str, scratch: &mut String, mut run: impl FnMut(&str, bool)) {
    scratch.clear();
    scratch.push_str(text);
    scratch.make_ascii_lowercase();
    let words = scratch.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).for_each(|word| run(word, true));
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
        let mut words = Vec::new();
        each_word(text, &mut String::new(), |word| words.push(word.to_owned()));
        words.sort_unstable();
        words.dedup();
        words
    }

    fn asked(text: &str) -> Vec<String> {
        question(text).map(|q| q.words).unwrap_or_default()
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

    /// What is folded word by word is folded as the whole would be.
    #[test]
    fn folding_crosses_no_space() {
        let pieces = [
            "e", "\u{301}", "\u{338}", "<", "=", "ﾊ", "ﾞ", "\u{94d}", "한", "\u{1100}", "\u{1161}", "Å", "ß",
            "x",
        ];
        for one in pieces {
            for other in pieces {
                for space in [" ", "\n", "\t"] {
                    let whole: String = fold(&format!("{one}{space}{other}")).collect();
                    let apart: String = fold(one).chain(space.chars()).chain(fold(other)).collect();
                    assert_eq!(whole, apart, "{one:?} {other:?}");
                }
            }
        }
    }

    #[test]
    fn pairs_up_what_is_written_without_spaces() {
        assert_eq!(indexed("中国人"), ["中", "中国", "人", "国", "国人"]);
        assert_eq!(indexed("見る"), ["る", "見", "見る"]);
        assert_eq!(indexed("use漢字now"), ["now", "use", "字", "漢", "漢字"]);
        assert_eq!(indexed("ﾃﾞﾊﾞｯｸﾞ"), indexed("デバッグ"));
        assert_eq!(indexed("사랑"), ["랑", "사", "사랑"]);
    }

    #[test]
    fn asks_for_all_words() {
        assert_eq!(asked("Romeo, romeo! art"), ["art", "romeo"]);
        assert_eq!(asked("中国人"), ["中国", "国人"]);
        assert_eq!(asked("国"), ["国"]);
        assert_eq!(asked("!?\" OR *"), ["or"]);
        assert_eq!(question("!?"), None);
    }

    #[test]
    fn compares_with_the_text() {
        let answered = |asked: &str, text: &str| question(asked).unwrap().is_answered_by(text);
        assert!(answered("ART romeo", "Wherefore art thou, Romeo?") && !answered("art juliet", "art, romeo"));
        assert!(answered("国", "我是中国人") && answered("中国人", "我是中国人。"));
        assert!(!answered("中国人", "中国 国人"), "long runs are in the text whole");
        let many: String = (0..40).map(|n| format!("w{n} ")).collect();
        assert!(answered(&many, &many));
    }

    #[test]
    fn bounds_words() {
        let long = "x".repeat(100);
        assert_eq!(indexed(&long), ["x".repeat(64)]);
        assert_eq!(asked(&long), ["x".repeat(64)]);
        let many: String = (0..10_000).map(|n| format!("w{n} ")).collect();
        assert_eq!(indexed(&many).len(), MAX_WORDS);
        assert_eq!(asked(&many).len(), MAX_QUESTION_WORDS);
    }
}
