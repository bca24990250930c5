//! Where the bytes of a `.npy` file are: in a plain file, in a stream, or in an `.npz` archive,
//! stored or deflated. Deflated bytes can only be read from the beginning on, those of a stream
//! once.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;

use crate::formats::files::File;
use crate::formats::npz::Member;
use crate::formats::streams::Incoming;

/// The bytes of one `.npy` file.
#[derive(Debug)]
pub(super) enum Contents {
    /// Uncompressed bytes that begin at `start` of a file.
    Plain {
        /// The file.
        file: File,
        /// The offset of the first byte.
        start: u64,
    },
    /// Deflated bytes.
    Deflated(Box<Deflated>),
    /// Bytes of a pipe or of standard input.
    Stream(Incoming),
    /// Bytes in memory.
    Memory(Vec<u8>),
}

/// Deflated bytes of an archive, with the place up to which they are read.
#[derive(Debug)]
pub(super) struct Deflated {
    path: PathBuf,
    member: Member,
    decoder: DeflateDecoder<BufReader<io::Take<File>>>,
    position: u64,
}

impl Contents {
    /// The bytes of a member of the archive at `path`.
    pub fn of_member(path: &Path, member: Member) -> io::Result<Self> {
        if !member.deflated {
            return Ok(Contents::Plain { file: File::open(path)?, start: member.start });
        }
        let decoder = decoder(path, &member)?;
        Ok(Contents::Deflated(Box::new(Deflated { path: path.to_owned(), member, decoder, position: 0 })))
    }

    /// Whether every place can be read at the same cost.
    pub fn is_random_access(&self) -> bool {
        !matches!(self, Contents::Deflated(_) | Contents::Stream(_))
    }

    /// The stream, if they are read from one.
    pub fn stream(&self) -> Option<&Incoming> {
        match self {
            Contents::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    /// Fills `bytes` with those from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` if there are fewer; the system's errors.
    pub fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        match self {
            Contents::Plain { file, start } => {
                file.seek(SeekFrom::Start(*start + offset))?;
                file.read_exact(bytes)
            }
            Contents::Memory(all) => {
                let start = usize::try_from(offset).ok();
                let part = start.and_then(|start| all.get(start..start.checked_add(bytes.len())?));
                bytes.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Contents::Deflated(deflated) => deflated.read_at(offset, bytes),
            Contents::Stream(stream) => stream.read_at(offset, bytes),
        }
    }
}

impl Deflated {
    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        if offset < self.position {
            self.decoder = decoder(&self.path, &self.member)?;
            self.position = 0;
        }
        let skipped = io::copy(&mut (&mut self.decoder).take(offset - self.position), &mut io::sink())?;
        self.position += skipped;
        if self.position < offset {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.decoder.read_exact(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}

fn decoder(path: &Path, member: &Member) -> io::Result<DeflateDecoder<BufReader<io::Take<File>>>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(member.start))?;
    Ok(DeflateDecoder::new(BufReader::new(file.take(member.stored))))
}
