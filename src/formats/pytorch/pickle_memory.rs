//! The memory that a pickle takes for copies. A pickle can duplicate a value, or fetch it again
//! from its memo, and `pytorch-reader` copies the value each time. Twenty duplications of a list in
//! itself make a million values out of 44 bytes.
//!
//! Here the same operations are carried out on sizes only. Opcodes: Python's `pickletools`.

use std::collections::HashMap;
use std::io::{self, BufRead, Read};

/// Bytes of memory per value, besides the bytes of a string.
const VALUE: u64 = 100;

/// How a pickle ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With its last opcode, within the budget.
    Stop,
    /// With something invalid or unsupported, which the reader will refuse too.
    Invalid,
    /// The copies take more memory than the budget.
    TooLarge,
}

/// A value on the stack.
#[derive(Debug, Clone, Copy)]
struct Item {
    bytes: u64,
    /// The place in the memo that holds a copy of it.
    memo: Option<u32>,
}

#[derive(Debug, Default)]
struct Machine {
    stack: Vec<Item>,
    marks: Vec<usize>,
    memo: HashMap<u32, u64>,
    copied: u64,
}

/// Follows one pickle from its first byte, as long as its copies take at most `budget` bytes.
pub(super) fn follow(pickle: &mut impl BufRead, budget: u64) -> End {
    let mut machine = Machine::default();
    loop {
        match machine.step(pickle) {
            None => return End::Invalid,
            Some(_) if machine.copied > budget => return End::TooLarge,
            Some(true) => return End::Stop,
            Some(false) => {}
        }
    }
}

impl Machine {
    /// Carries out one opcode. `true` at the end of the pickle; `None` for something invalid.
    fn step(&mut self, pickle: &mut impl BufRead) -> Option<bool> {
        let [opcode] = bytes(pickle)?;
        match opcode {
            b'.' => return Some(true),
            // Protocol and frame.
            0x80 => drop(bytes::<1>(pickle)?),
            0x95 => drop(bytes::<8>(pickle)?),
            // Values without an argument: None, booleans, empty containers.
            b'N' | 0x88 | 0x89 | b']' | b'}' | b')' | 0x8f => self.push(0),
            b'K' => self.number::<1>(pickle)?,
            b'M' => self.number::<2>(pickle)?,
            b'J' => self.number::<4>(pickle)?,
            b'G' => self.number::<8>(pickle)?,
            // Values up to the end of the line, and names of two lines.
            b'I' | b'L' | b'F' | b'S' | b'V' | b'P' => {
                let length = line(pickle)?.len();
                self.push(length as u64);
            }
            b'c' => {
                let length = line(pickle)?.len() + line(pickle)?.len();
                self.push(length as u64);
            }
            // Strings, bytes and long integers with their length before them.
            b'U' | b'C' | 0x8a | 0x8c => self.sized::<1>(pickle)?,
            b'T' | b'B' | b'X' | 0x8b => self.sized::<4>(pickle)?,
            0x8d | 0x8e | 0x96 => self.sized::<8>(pickle)?,
            // The stack.
            b'(' => self.marks.push(self.stack.len()),
            b'0' if self.marks.last() == Some(&self.stack.len()) => drop(self.marks.pop()),
            b'0' => drop(self.stack.pop()?),
            b'1' => drop(self.above_mark()?),
            b'2' => {
                let top = *self.stack.last()?;
                self.copied = self.copied.saturating_add(top.bytes);
                self.stack.push(top);
            }
            // The memo.
            b'g' => self.get(text_number(pickle)?)?,
            b'h' => self.get(number(bytes::<1>(pickle)?))?,
            b'j' => self.get(number(bytes::<4>(pickle)?))?,
            b'p' => self.put(text_number(pickle)?)?,
            b'q' => self.put(number(bytes::<1>(pickle)?))?,
            b'r' => self.put(number(bytes::<4>(pickle)?))?,
            0x94 => self.put(self.memo.len() as u64)?,
            // Containers.
            b'a' => self.add_to_top(1)?,
            b's' => self.add_to_top(2)?,
            b'e' | b'u' | 0x90 => {
                let more = self.above_mark()?;
                self.grow_top(more)?;
            }
            b'l' | b'd' | b't' | 0x91 | b'o' => {
                let inside = self.above_mark()?;
                self.push(inside);
            }
            b'i' => {
                let length = line(pickle)?.len() + line(pickle)?.len();
                let inside = self.above_mark()?;
                self.push(inside.saturating_add(length as u64));
            }
            // Tuples, calls and objects, from a fixed number of values.
            0x85 | b'Q' => self.combine(1)?,
            0x86 | b'R' | 0x81 | 0x93 => self.combine(2)?,
            0x87 | 0x92 => self.combine(3)?,
            b'b' => {
                self.add_to_top(1)?;
                // The reader refreshes the copy in the memo.
                if let Some(place) = self.stack.last()?.memo {
                    self.put(u64::from(place))?;
                }
            }
            _ => return None,
        }
        Some(false)
    }

    fn push(&mut self, inside: u64) {
        self.stack.push(Item { bytes: inside.saturating_add(VALUE), memo: None });
    }

    fn number<const N: usize>(&mut self, pickle: &mut impl Read) -> Option<()> {
        bytes::<N>(pickle)?;
        self.push(0);
        Some(())
    }

    /// A value with its length, of `N` bytes, before it.
    fn sized<const N: usize>(&mut self, pickle: &mut impl Read) -> Option<()> {
        let length = number(bytes::<N>(pickle)?);
        let found = io::copy(&mut pickle.take(length), &mut io::sink()).ok()?;
        self.push(length);
        (found == length).then_some(())
    }

    fn get(&mut self, place: u64) -> Option<()> {
        let place = u32::try_from(place).ok()?;
        let bytes = *self.memo.get(&place)?;
        self.copied = self.copied.saturating_add(bytes);
        self.stack.push(Item { bytes, memo: Some(place) });
        Some(())
    }

    fn put(&mut self, place: u64) -> Option<()> {
        let place = u32::try_from(place).ok()?;
        let top = self.stack.last_mut()?;
        top.memo = Some(place);
        self.copied = self.copied.saturating_add(top.bytes);
        self.memo.insert(place, top.bytes);
        Some(())
    }

    /// Removes the values above the last mark; returns their size.
    fn above_mark(&mut self) -> Option<u64> {
        let mark = self.marks.pop()?;
        self.remove(self.stack.len().checked_sub(mark)?)
    }

    /// Removes the upper `count` values; returns their size.
    fn remove(&mut self, count: usize) -> Option<u64> {
        let rest = self.stack.len().checked_sub(count)?;
        Some(self.stack.drain(rest..).fold(0, |sum: u64, item| sum.saturating_add(item.bytes)))
    }

    fn combine(&mut self, count: usize) -> Option<()> {
        let inside = self.remove(count)?;
        self.push(inside);
        Some(())
    }

    fn add_to_top(&mut self, count: usize) -> Option<()> {
        let more = self.remove(count)?;
        self.grow_top(more)
    }

    fn grow_top(&mut self, more: u64) -> Option<()> {
        let top = self.stack.last_mut()?;
        top.bytes = top.bytes.saturating_add(more);
        Some(())
    }
}

fn bytes<const N: usize>(pickle: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    pickle.read_exact(&mut bytes).ok().map(|()| bytes)
}

/// A little-endian number of at most 8 bytes.
fn number<const N: usize>(bytes: [u8; N]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn text_number(pickle: &mut impl BufRead) -> Option<u64> {
    String::from_utf8(line(pickle)?).ok()?.trim().parse().ok()
}

/// The bytes up to the next line break.
fn line(pickle: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    pickle.read_until(b'\n', &mut bytes).ok()?;
    (bytes.last() == Some(&b'\n')).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(pickle: &[u8], budget: u64) -> End {
        follow(&mut &*pickle, budget)
    }

    #[test]
    fn copies_are_counted_whatever_makes_them() {
        let times = |start: &[u8], step: &[u8], end: &[u8]| [start, &step.repeat(20), end].concat();
        for pickle in [
            // Duplicate, and append to itself.
            times(b"\x80\x02]", b"2a", b"."),
            // The same through the memo, with each kind of place.
            times(b"\x80\x02]", b"q\x01h\x01a", b"."),
            times(b"\x80\x02]", b"r\x01\0\0\0j\x01\0\0\0a", b"."),
            times(b"\x80\x02]", b"p1\ng1\na", b"."),
            // Tuples of one value twice, and a dictionary in itself.
            times(b"\x80\x02N", b"2\x86", b"."),
            times(b"\x80\x02}", b"q\x01(Kkh\x01u", b"."),
        ] {
            assert_eq!(end(&pickle, 1 << 20), End::TooLarge, "{pickle:?}");
        }
        assert_eq!(end(b"\x80\x02]2a2a.", 1 << 20), End::Stop);
        assert_eq!(end(b"\x80\x02]2a2a", 1 << 20), End::Invalid);
        assert_eq!(end(b"\x80\x02X\xff\xff\xff\xffab.", 1 << 20), End::Invalid);
        assert_eq!(end(b"\x80\x02X\x02\0\0\0ab.", 0), End::Stop);
    }
}
