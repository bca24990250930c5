//! Rust source as tokens: names, numbers and punctuation; also the texts of strings and
//! documentation.

/// The tokens of `source`, without comments and literals. `::` is one token; lifetimes are left
/// out.
pub fn tokens(source: &str) -> Vec<String> {
    let mut tokens = tokens_and_texts(source);
    tokens.retain(|token| !token.starts_with('"'));
    tokens
}

/// The tokens, and between them the strings and documentation comments, each preceded by `"`.
pub fn tokens_and_texts(source: &str) -> Vec<String> {
    let text: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let length = match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] => quoted(rest),
            ['b' | 'c', '"', ..] => 1 + quoted(&rest[1..]),
            ['r', '"' | '#', ..] if raw(rest).is_some() => raw(rest).unwrap_or(1),
            ['b' | 'c', 'r', '"' | '#', ..] if raw(&rest[1..]).is_some() => 1 + raw(&rest[1..]).unwrap_or(1),
            ['\'', ..] => character(rest),
            ['b', '\'', ..] => 1 + character(&rest[1..]),
            [':', ':', ..] => {
                tokens.push("::".to_owned());
                2
            }
            [first, ..] if is_of_name(*first) => {
                let name: String = rest.iter().take_while(|c| is_of_name(**c)).collect();
                let length = name.chars().count();
                tokens.push(name);
                length
            }
            [first, ..] => {
                if !first.is_whitespace() {
                    tokens.push(first.to_string());
                }
                1
            }
            [] => 1,
        };
        if is_text(rest) {
            tokens.push(std::iter::once('"').chain(rest.iter().take(length).copied()).collect());
        }
        at += length;
    }
    tokens
}

/// Whether a string or documentation starts here.
fn is_text(rest: &[char]) -> bool {
    match rest {
        ['/', '/', '/', '/', ..] => false,
        ['/', '/', '/' | '!', ..] | ['/', '*', '*' | '!', ..] | ['"', ..] | ['b' | 'c', '"', ..] => true,
        ['r', '"' | '#', ..] => raw(rest).is_some(),
        ['b' | 'c', 'r', '"' | '#', ..] => raw(&rest[1..]).is_some(),
        _ => false,
    }
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The length of a comment, including nested comments.
fn block_comment(text: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match text[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a string, including its quotes.
fn quoted(text: &[char]) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of a raw string; `None` for a raw name.
fn raw(text: &[char]) -> Option<usize> {
    let hashes = text[1..].iter().take_while(|c| **c == '#').count();
    let open = 1 + hashes;
    (text.get(open) == Some(&'"')).then_some(())?;
    let closes = |at: &usize| text[*at] == '"' && text[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    Some((open + 1..text.len()).find(closes).map_or(text.len(), |at| at + 1 + hashes))
}

/// The length of a character in quotes, or of a lifetime.
fn character(text: &[char]) -> usize {
    match text {
        ['\'', '\\', _, rest @ ..] => 4 + rest.iter().position(|c| *c == '\'').unwrap_or(rest.len()),
        ['\'', _, '\'', ..] => 3,
        [_, rest @ ..] => 1 + rest.iter().take_while(|c| is_of_name(**c)).count(),
        [] => 0,
    }
}

#[test]
fn comments_and_literals_hold_no_tokens() {
    let source = r####"
        // crate::a
        /* crate::b /* crate::c */ crate::d */
        let x: &'static str = "crate::e \" crate::f";
        let y = (r#"crate::g " crate::h"#, b"crate::i", '"', '\'', '\u{22}', b'"', br"crate::j");
        crate::k"####;
    let found = tokens(source);
    let named: Vec<&String> = found.iter().filter(|token| token.len() == 1 && token.as_str() >= "a").collect();
    assert_eq!(named, ["x", "y", "k"], "{found:?}");
    assert_eq!(found[found.len() - 3..], ["crate", "::", "k"]);
}
