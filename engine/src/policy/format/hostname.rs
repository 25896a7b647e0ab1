//! Host names (RFC 1123), and whether their A-labels are some (RFC 5890 to 5892).
//!
//! What may stand in the Unicode form of a label follows from general categories, without
//! normalization: letters, marks and decimal digits, and the exceptions and contextual rules of
//! RFC 5892. The tables are our own and small, so that a page does not load those of Unicode. A
//! server has those, and finds as well what is not normalized (RFC 5891, section 4.2.1), what stands
//! for another letter, and what breaks the Bidi rule (RFC 5893).

/// Combining marks as pairs of the first and the last one. What is not assigned between two of them
/// counts as one.
const MARKS: &str = "\
     \u{300}\u{36f}\u{483}\u{489}\u{591}\u{5bd}\u{5bf}\u{5bf}\u{5c1}\u{5c2}\u{5c4}\u{5c5}\
     \u{5c7}\u{5c7}\u{610}\u{61a}\u{64b}\u{65f}\u{670}\u{670}\u{6d6}\u{6dc}\u{6df}\u{6e4}\
     \u{6e7}\u{6e8}\u{6ea}\u{6ed}\u{711}\u{711}\u{730}\u{74a}\u{7a6}\u{7b0}\u{7eb}\u{7f3}\
     \u{7fd}\u{7fd}\u{816}\u{819}\u{81b}\u{823}\u{825}\u{827}\u{829}\u{82d}\u{859}\u{85b}\
     \u{898}\u{89f}\u{8ca}\u{8e1}\u{8e3}\u{903}\u{93a}\u{93c}\u{93e}\u{94f}\u{951}\u{957}\
     \u{962}\u{963}\u{981}\u{983}\u{9bc}\u{9bc}\u{9be}\u{9cd}\u{9d7}\u{9d7}\u{9e2}\u{9e3}\
     \u{9fe}\u{a03}\u{a3c}\u{a51}\u{a70}\u{a71}\u{a75}\u{a75}\u{a81}\u{a83}\u{abc}\u{abc}\
     \u{abe}\u{acd}\u{ae2}\u{ae3}\u{afa}\u{b03}\u{b3c}\u{b3c}\u{b3e}\u{b57}\u{b62}\u{b63}\
     \u{b82}\u{b82}\u{bbe}\u{bcd}\u{bd7}\u{bd7}\u{c00}\u{c04}\u{c3c}\u{c3c}\u{c3e}\u{c56}\
     \u{c62}\u{c63}\u{c81}\u{c83}\u{cbc}\u{cbc}\u{cbe}\u{cd6}\u{ce2}\u{ce3}\u{d00}\u{d03}\
     \u{d3b}\u{d3c}\u{d3e}\u{d4d}\u{d57}\u{d57}\u{d62}\u{d63}\u{d81}\u{d83}\u{dca}\u{ddf}\
     \u{df2}\u{df3}\u{e31}\u{e31}\u{e34}\u{e3a}\u{e47}\u{e4e}\u{eb1}\u{eb1}\u{eb4}\u{ebc}\
     \u{ec8}\u{ecd}\u{f18}\u{f19}\u{f35}\u{f35}\u{f37}\u{f37}\u{f39}\u{f39}\u{f3e}\u{f3f}\
     \u{f71}\u{f84}\u{f86}\u{f87}\u{f8d}\u{fbc}\u{fc6}\u{fc6}\u{102b}\u{103e}\u{1056}\u{1059}\
     \u{105e}\u{1060}\u{1062}\u{1064}\u{1067}\u{106d}\u{1071}\u{1074}\u{1082}\u{108d}\
     \u{108f}\u{108f}\u{109a}\u{109d}\u{135d}\u{135f}\u{1712}\u{1715}\u{1732}\u{1734}\
     \u{1752}\u{1753}\u{1772}\u{1773}\u{17b4}\u{17d3}\u{17dd}\u{17dd}\u{180b}\u{180d}\
     \u{180f}\u{180f}\u{1885}\u{1886}\u{18a9}\u{18a9}\u{1920}\u{193b}\u{1a17}\u{1a1b}\
     \u{1a55}\u{1a7f}\u{1ab0}\u{1b04}\u{1b34}\u{1b44}\u{1b6b}\u{1b73}\u{1b80}\u{1b82}\
     \u{1ba1}\u{1bad}\u{1be6}\u{1bf3}\u{1c24}\u{1c37}\u{1cd0}\u{1cd2}\u{1cd4}\u{1ce8}\
     \u{1ced}\u{1ced}\u{1cf4}\u{1cf4}\u{1cf7}\u{1cf9}\u{1dc0}\u{1dff}\u{20d0}\u{20f0}\
     \u{2cef}\u{2cf1}\u{2d7f}\u{2d7f}\u{2de0}\u{2dff}\u{302a}\u{302f}\u{3099}\u{309a}\
     \u{a66f}\u{a672}\u{a674}\u{a67d}\u{a69e}\u{a69f}\u{a6f0}\u{a6f1}\u{a802}\u{a802}\
     \u{a806}\u{a806}\u{a80b}\u{a80b}\u{a823}\u{a827}\u{a82c}\u{a82c}\u{a880}\u{a881}\
     \u{a8b4}\u{a8c5}\u{a8e0}\u{a8f1}\u{a8ff}\u{a8ff}\u{a926}\u{a92d}\u{a947}\u{a953}\
     \u{a980}\u{a983}\u{a9b3}\u{a9c0}\u{a9e5}\u{a9e5}\u{aa29}\u{aa36}\u{aa43}\u{aa43}\
     \u{aa4c}\u{aa4d}\u{aa7b}\u{aa7d}\u{aab0}\u{aab0}\u{aab2}\u{aab4}\u{aab7}\u{aab8}\
     \u{aabe}\u{aabf}\u{aac1}\u{aac1}\u{aaeb}\u{aaef}\u{aaf5}\u{aaf6}\u{abe3}\u{abea}\
     \u{abec}\u{abed}\u{fb1e}\u{fb1e}\u{fe00}\u{fe0f}\u{fe20}\u{fe2f}\u{101fd}\u{101fd}\
     \u{102e0}\u{102e0}\u{10376}\u{1037a}\u{10a01}\u{10a0f}\u{10a38}\u{10a3f}\
     \u{10ae5}\u{10ae6}\u{10d24}\u{10d27}\u{10eab}\u{10eac}\u{10f46}\u{10f50}\
     \u{10f82}\u{10f85}\u{11000}\u{11002}\u{11038}\u{11046}\u{11070}\u{11070}\
     \u{11073}\u{11074}\u{1107f}\u{11082}\u{110b0}\u{110ba}\u{110c2}\u{110c2}\
     \u{11100}\u{11102}\u{11127}\u{11134}\u{11145}\u{11146}\u{11173}\u{11173}\
     \u{11180}\u{11182}\u{111b3}\u{111c0}\u{111c9}\u{111cc}\u{111ce}\u{111cf}\
     \u{1122c}\u{11237}\u{1123e}\u{1123e}\u{112df}\u{112ea}\u{11300}\u{11303}\
     \u{1133b}\u{1133c}\u{1133e}\u{1134d}\u{11357}\u{11357}\u{11362}\u{11374}\
     \u{11435}\u{11446}\u{1145e}\u{1145e}\u{114b0}\u{114c3}\u{115af}\u{115c0}\
     \u{115dc}\u{115dd}\u{11630}\u{11640}\u{116ab}\u{116b7}\u{1171d}\u{1172b}\
     \u{1182c}\u{1183a}\u{11930}\u{1193e}\u{11940}\u{11940}\u{11942}\u{11943}\
     \u{119d1}\u{119e0}\u{119e4}\u{119e4}\u{11a01}\u{11a0a}\u{11a33}\u{11a39}\
     \u{11a3b}\u{11a3e}\u{11a47}\u{11a47}\u{11a51}\u{11a5b}\u{11a8a}\u{11a99}\
     \u{11c2f}\u{11c3f}\u{11c92}\u{11cb6}\u{11d31}\u{11d45}\u{11d47}\u{11d47}\
     \u{11d8a}\u{11d97}\u{11ef3}\u{11ef6}\u{16af0}\u{16af4}\u{16b30}\u{16b36}\
     \u{16f4f}\u{16f4f}\u{16f51}\u{16f92}\u{16fe4}\u{16ff1}\u{1bc9d}\u{1bc9e}\
     \u{1cf00}\u{1cf46}\u{1d165}\u{1d169}\u{1d16d}\u{1d172}\u{1d17b}\u{1d182}\
     \u{1d185}\u{1d18b}\u{1d1aa}\u{1d1ad}\u{1d242}\u{1d244}\u{1da00}\u{1da36}\
     \u{1da3b}\u{1da6c}\u{1da75}\u{1da75}\u{1da84}\u{1da84}\u{1da9b}\u{1daaf}\
     \u{1e000}\u{1e02a}\u{1e130}\u{1e136}\u{1e2ae}\u{1e2ae}\u{1e2ec}\u{1e2ef}\
     \u{1e8d0}\u{1e8d6}\u{1e944}\u{1e94a}\u{e0100}\u{e01ef}";

/// Letters and digits that stand for others, which a label holds instead (RFC 5892, section 2.2),
/// as far as whole blocks are made of them.
const COMPATIBLE: [(char, char); 18] = [
    ('\u{aa}', '\u{aa}'),
    ('\u{b2}', '\u{b3}'),
    ('\u{b5}', '\u{b5}'),
    ('\u{b9}', '\u{be}'),
    ('\u{2070}', '\u{209f}'),
    ('\u{2100}', '\u{214d}'),
    ('\u{2150}', '\u{2183}'),
    ('\u{2460}', '\u{24ff}'),
    ('\u{2776}', '\u{2793}'),
    ('\u{3192}', '\u{319f}'),
    ('\u{3200}', '\u{33ff}'),
    ('\u{f900}', '\u{fa0d}'),
    ('\u{fa2a}', '\u{fdff}'),
    ('\u{fe30}', '\u{ffef}'),
    ('\u{1d400}', '\u{1d7ff}'),
    ('\u{1ee00}', '\u{1eeff}'),
    ('\u{1f100}', '\u{1f2ff}'),
    ('\u{2f800}', '\u{2fa1f}'),
];

/// Exceptions of RFC 5892, section 2.6, that are never good.
const DISALLOWED: &str =
    "\u{640}\u{7fa}\u{302e}\u{302f}\u{3031}\u{3032}\u{3033}\u{3034}\u{3035}\u{303b}";

/// Exceptions of RFC 5892, section 2.6, that are good though they are no letters.
const ALLOWED: &str = "-\u{6fd}\u{6fe}\u{f0b}\u{3007}";

/// Signs after which a joiner may stand (RFC 5892, appendix A): those that take away a vowel.
const VIRAMAS: &str = "\u{94d}\u{9cd}\u{a4d}\u{acd}\u{b4d}\u{bcd}\u{c4d}\u{ccd}\u{d3b}\u{d3c}\u{d4d}\u{dca}\u{e3a}\
     \u{eba}\u{f84}\u{1039}\u{103a}\u{1714}\u{1734}\u{17d2}\u{1a60}\u{1b44}\u{1baa}\u{1bab}\u{1bf2}\u{1bf3}\u{2d7f}\
     \u{a806}\u{a82c}\u{a8c4}\u{a953}\u{a9c0}\u{aaf6}\u{abed}\u{10a3f}\u{11046}\u{1107f}\u{110b9}\u{11133}\u{11134}\
     \u{111c0}\u{11235}\u{112ea}\u{1134d}\u{11442}\u{114c2}\u{115bf}\u{1163f}\u{116b6}\u{1172b}\u{11839}\u{1193e}\
     \u{119e0}\u{11a34}\u{11a47}\u{11a99}\u{11c3f}\u{11d44}\u{11d45}\u{11d97}";

/// Whether a text is a host name of letters, digits and hyphens.
pub(super) fn is_ascii(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// Whether it is one, and each label that begins with `xn--` is the A-label of a name.
pub(super) fn is_hostname(text: &str) -> bool {
    is_ascii(text)
        && text.to_ascii_lowercase().split('.').all(|label| {
            label
                .strip_prefix("xn--")
                .is_none_or(|encoded| decode(encoded).is_some_and(|letters| is_name(&letters)))
        })
}

/// Whether the Unicode form of each A-label is as normalization leaves it (UTS 46).
#[cfg(feature = "whole-entity")]
pub(super) fn has_normal_labels(text: &str) -> bool {
    use idna::uts46::{AsciiDenyList, Hyphens, Uts46};
    let is_normal = |label: &str| {
        let (_, checked) =
            Uts46::new().to_unicode(label.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
        checked.is_ok()
    };
    let text = text.to_ascii_lowercase();
    let mut labels = text.split('.').filter(|label| label.starts_with("xn--"));
    labels.all(is_normal)
}

/// A page leaves that to the server.
#[cfg(not(feature = "whole-entity"))]
pub(super) fn has_normal_labels(_: &str) -> bool {
    true
}

/// What a text of Punycode stands for (RFC 3492, section 6.2).
fn decode(text: &str) -> Option<Vec<char>> {
    const BASE: u32 = 36;
    let parts = text.rsplit_once('-').filter(|(basic, _)| !basic.is_empty());
    let (basic, encoded) = parts.unwrap_or(("", text));
    let mut letters: Vec<char> = basic.chars().collect();
    let (mut code, mut index, mut bias) = (128_u32, 0_u32, 72_u32);
    let mut digits = encoded.bytes().map(digit);
    let mut next = digits.next();
    while let Some(first) = next {
        let (before, mut weight, mut k) = (index, 1_u32, BASE);
        let mut digit = first?;
        loop {
            index = index.checked_add(digit.checked_mul(weight)?)?;
            let threshold = k.saturating_sub(bias).clamp(1, 26);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(BASE - threshold)?;
            k += BASE;
            digit = digits.next()??;
        }
        let count = u32::try_from(letters.len()).ok()? + 1;
        bias = adapted(index - before, count, before == 0);
        code = code.checked_add(index / count)?;
        index %= count;
        letters.insert(usize::try_from(index).ok()?, char::from_u32(code)?);
        index += 1;
        next = digits.next();
    }
    Some(letters)
}

fn digit(byte: u8) -> Option<u32> {
    match byte {
        b'a'..=b'z' => Some(u32::from(byte - b'a')),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 26),
        _ => None,
    }
}

/// RFC 3492, section 6.1.
fn adapted(delta: u32, count: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / count;
    let mut k = 0;
    while delta > 455 {
        delta /= 35;
        k += 36;
    }
    k + 36 * delta / (delta + 38)
}

/// Whether letters are the Unicode form of an A-label (RFC 5891, section 4.2.3).
fn is_name(letters: &[char]) -> bool {
    let (Some(first), Some(last)) = (letters.first(), letters.last()) else {
        return false;
    };
    let hyphens = *first == '-' || *last == '-' || letters.get(2..4) == Some(&['-', '-']);
    let foreign = letters.iter().any(|letter| !letter.is_ascii());
    let all = |good: fn(&[char], usize) -> bool| (0..letters.len()).all(|at| good(letters, at));
    !hyphens && foreign && !is_mark(*first) && all(is_good) && !has_mixed_digits(letters)
}

/// Whether a letter may stand where it does.
fn is_good(letters: &[char], at: usize) -> bool {
    let letter = letters[at];
    let before = at.checked_sub(1).map(|at| letters[at]);
    let after = letters.get(at + 1).copied();
    let is = |neighbour: Option<char>, good: fn(char) -> bool| neighbour.is_some_and(good);
    match letter {
        '\u{200c}' => is(before, is_virama) || (is(before, is_joining) && is(after, is_joining)),
        '\u{200d}' => is(before, is_virama),
        '\u{b7}' => before == Some('l') && after == Some('l'),
        '\u{375}' => is(
            after,
            |c| matches!(c, '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}'),
        ),
        '\u{5f3}' | '\u{5f4}' => is(before, |c| matches!(c, '\u{591}'..='\u{5f4}')),
        '\u{30fb}' => letters.iter().any(|c| is_kana_or_han(*c)),
        _ if DISALLOWED.contains(letter) => false,
        _ if ALLOWED.contains(letter) || is_mark(letter) => true,
        _ => is_letter(letter),
    }
}

/// Whether it is a letter or a decimal digit that stands for itself.
fn is_letter(letter: char) -> bool {
    let compatible = COMPATIBLE
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&letter));
    // Of Cherokee, the capital letters are the ones that stand for themselves.
    let is_stable = match letter {
        '\u{13a0}'..='\u{13f5}' => true,
        '\u{13f8}'..='\u{13fd}' | '\u{ab70}'..='\u{abbf}' => false,
        letter => !letter.is_uppercase(),
    };
    letter.is_alphanumeric() && is_stable && !compatible
}

fn is_mark(letter: char) -> bool {
    let mut bounds = MARKS.chars();
    while let (Some(first), Some(last)) = (bounds.next(), bounds.next()) {
        if (first..=last).contains(&letter) {
            return true;
        }
    }
    false
}

fn is_virama(letter: char) -> bool {
    VIRAMAS.contains(letter)
}

/// Whether a letter is of a script whose letters join.
fn is_joining(letter: char) -> bool {
    matches!(letter,
        '\u{620}'..='\u{65f}' | '\u{66e}'..='\u{6d3}' | '\u{6fa}'..='\u{77f}'
        | '\u{7ca}'..='\u{7ea}' | '\u{860}'..='\u{8c7}' | '\u{1807}'..='\u{18aa}'
        | '\u{a840}'..='\u{a872}')
}

fn is_kana_or_han(letter: char) -> bool {
    matches!(letter,
        '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | '\u{30fd}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}' | '\u{3005}' | '\u{3007}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{2ebef}' | '\u{30000}'..='\u{323af}')
}

/// Arabic-Indic digits beside the extended ones.
fn has_mixed_digits(letters: &[char]) -> bool {
    let has = |first: char, last: char| letters.iter().any(|c| (first..=last).contains(c));
    has('\u{660}', '\u{669}') && has('\u{6f0}', '\u{6f9}')
}

#[cfg(test)]
mod tests {
    //! Guards against labels that no browser can show, and against refusing those of real names.
    //! The labels are those of the suite of JSON Schema for U-labels, encoded, and some more.
    use super::*;

    fn told(labels: &[&str]) -> Vec<String> {
        let good = labels.iter().filter(|label| is_hostname(label));
        good.map(ToString::to_string).collect()
    }

    #[test]
    fn a_labels_of_names_are_taken() {
        let good = [
            "xn--4gbwdl.xn--wgbh1c",
            "xn--nxasmq6b",
            "XN--NXASMQ6B",
            "xn--bcher-kva.example",
            "xn--strae-oqa.de",
            "xn--fiqs8s",
            "xn--p1ai",
            "xn--zca29lwxobi7a",
            "xn--qmbc",
            "xn--ll-0ea",
            "xn--wva3je",
            "xn--4dbc5h",
            "xn--4dbc8h",
            "xn--k8j5u",
            "xn--bck0j",
            "xn--vek778f",
            "xn--ngba1o",
            "xn--0gbe95a",
            "xn--11b2ezcw70k",
            "xn--11b2ezcs70k",
            "xn--ngba5hb2804a",
            "r3---sn-apo3qvuoxuxbt-j5pe",
        ];
        assert_eq!(told(&good), good);
    }

    /// By the list of an independent library (Python's `idna` 3).
    #[test]
    #[cfg(feature = "whole-entity")]
    fn labels_are_normalized() {
        for good in [
            "xn--58d",
            "xn--a-28h",
            "xn--ab-y8l",
            "xn--bcher-kva",
            "xn--4gbwdl",
            "A.xn--p1ai",
        ] {
            assert!(is_hostname(good) && has_normal_labels(good), "{good}");
        }
        for bad in [
            "xn--0fa",
            "xn--kha",
            "xn--dqa",
            "xn--nra",
            "xn--a-xbb",
            "xn--lqg",
            "xn--y3b",
            "xn--a-0hc",
            "xn--8hb",
            "xn--4xa76h",
            "a.xn--0fa.de",
            "XN--0FA",
        ] {
            assert!(!(is_hostname(bad) && has_normal_labels(bad)), "{bad}");
        }
    }

    #[test]
    fn a_labels_of_nothing_are_refused() {
        let bad = [
            "xn--",
            "xn--X",
            "xn--a",
            "xn---",
            "xn--abc-",
            "xn--abc",
            "xn--99999999",
            "xn--zzzzzzzzzzzzzzzzzz",
            "a.xn--X.example",
            "XN--aa---o47jg78q",
            "xn---hello-txk",
            "xn--hello-txk",
            "xn--hello-zed",
            "xn--hello-6bf",
            "xn--chb89f",
            "xn--07jceefgh4c",
            "xn--al-0ea",
            "xn--l-fda",
            "xn--la-0ea",
            "xn--l-gda",
            "xn--S-jib3p",
            "xn--wva3j",
            "xn--A-2hc5h",
            "xn--5db1e",
            "xn--A-2hc8h",
            "xn--5db3e",
            "xn--defabc-k64e",
            "xn--vek",
            "xn--ngb6iyr",
            "xn--11b2er09f",
            "xn--02b508i",
            // A cup, a snowman, a capital letter, a digit above the line, a letter in a circle.
            "xn--53h",
            "xn--n3h",
            "xn--2-jea",
            "xn--a-5ca",
            "xn--b-hgp",
        ];
        assert_eq!(told(&bad), [""; 0]);
    }

    #[test]
    fn letters_are_those_of_their_labels() {
        let text = |label| decode(label).map(|letters| letters.into_iter().collect::<String>());
        assert_eq!(text("bcher-kva").as_deref(), Some("bücher"));
        assert_eq!(text("fiqs8s").as_deref(), Some("中国"));
        assert_eq!(text("x").as_deref(), None);
    }
}
