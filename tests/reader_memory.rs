//! The memory that hostile files of networks and arrays take while they are refused. It is a
//! process of its own, so that no other test's memory counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use unrelu::{Activation, NetworkOptions, load_network, read_npy};

/// The system's allocator, which counts the bytes in use and keeps their maximum.
struct Counting;

static IN_USE: AtomicI64 = AtomicI64::new(0);
static MOST: AtomicI64 = AtomicI64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = IN_USE.fetch_add(layout.size() as i64, Ordering::Relaxed) + layout.size() as i64;
        MOST.fetch_max(now, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        unsafe { System.dealloc(memory, layout) }
    }
}

/// The result of `work`, and the most memory that it used at one time.
fn memory_of<T>(work: impl FnOnce() -> T) -> (T, i64) {
    let before = IN_USE.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let result = work();
    (result, MOST.load(Ordering::Relaxed) - before)
}

fn load(path: &Path) -> unrelu::Result<unrelu::Network> {
    let relu = Some(Activation::Relu);
    load_network(path, &NetworkOptions::default().activation(relu).output_activation(relu))
}

fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

/// A zip archive whose pickle begins with `start` and ends with `zeros` zero bytes, compressed.
fn archive(start: &[u8], zeros: usize) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    archive.start_file("net/data.pkl", options).unwrap();
    archive.write_all(start).unwrap();
    archive.write_all(&vec![0; zeros]).unwrap();
    archive.finish().unwrap().into_inner()
}

/// All in one test, because two tests would run at the same time.
#[test]
fn memory_is_bounded_by_the_length_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, bytes: &[u8], words: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let is_array = name.ends_with(".npy");
        let (outcome, most) = memory_of(|| if is_array { read_npy(&path).map(drop) } else { load(&path).map(drop) });
        let message = outcome.expect_err(name).to_string();
        assert!(message.contains(name) && message.contains(words), "{name}: no `{words}` in {message}");
        let allowed = (4 << 20) + 128 * bytes.len() as i64;
        assert!(most < allowed, "{name} of {} bytes takes {most} bytes; allowed are {allowed}", bytes.len());
        assert!(most > 0, "the memory is not counted");
    };
    let doubling = [b"\x80\x02]".as_slice(), &b"2a".repeat(20), b"."].concat();
    assert_eq!(doubling.len(), 44);
    refused("dup.pth", &doubling, "a pickle with copies");
    let memo = [b"\x80\x02]".as_slice(), &b"q\x01h\x01a".repeat(20), b"."].concat();
    refused("memo.pth", &memo, "a pickle with copies");
    refused("archive.pth", &archive(&doubling, 0), "a pickle with copies");
    refused("deflated.pth", &archive(b"\x80\x02]", 60 << 20), "a zip entry `net/data.pkl`");
    refused("claim.pth", b"\x80\x02X\xff\xff\xff\x7f.", "cannot be read");
    // 40 layers that are the same megabyte.
    let tensor =
        |index: usize| format!(r#""{index}.weight":{{"dtype":"F64","shape":[400,400],"data_offsets":[0,1280000]}}"#);
    let header = format!("{{{}}}", (0..40).map(tensor).collect::<Vec<_>>().join(","));
    refused("overlap.safetensors", &safetensors(&header, 1_280_000), "do not overlap");
    // No numbers, but a bias of a terabyte.
    let header = r#"{"0.weight":{"dtype":"F64","shape":[1099511627776,0],"data_offsets":[0,0]}}"#;
    refused("empty.safetensors", &safetensors(header, 0), "an empty weight `0`");
    let mut npy = b"\x93NUMPY\x02\x00\xff\xff\xff\x7f".to_vec();
    npy.resize(200, b' ');
    refused("header.npy", &npy, "claims");
    let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000), }";
    let npy = [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
    refused("shape.npy", &npy, "truncated");
}
