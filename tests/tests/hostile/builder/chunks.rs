//! Bytes that are no plain change, and changes whose fields before the columns are out of bounds.

use std::io::Write;

use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, ChangeHash, ROOT};

use super::wire::{self, Header, checked, columns, content, puts, run, sealed, unsigned};
use super::{BOB, Book, MALLORY, Stage};

pub(super) fn fill(book: &mut Book) {
    no_change(book);
    lengths(book);
    dependencies(book);
    actors(book);
    numbers(book);
    messages(book);
    footers(book);
}

fn good(stage: &Stage) -> Vec<u8> {
    stage.altered(|_| {})
}

/// A change of one operation with fields of any kind before its columns.
fn headed(stage: &Stage, alter: impl FnOnce(&mut Header)) -> Vec<u8> {
    sealed(1, &headed_content(stage, alter))
}

fn headed_content(stage: &Stage, alter: impl FnOnce(&mut Header)) -> Vec<u8> {
    let client = stage.client(MALLORY);
    let mut header = Header {
        deps: client.doc.get_heads().iter().map(|head| head.0).collect(),
        actor: vec![MALLORY; 16],
        seq: 1,
        start_op: client.max_op() + 1,
        time: 0,
        message: Vec::new(),
        others: Vec::new(),
    };
    alter(&mut header);
    let mut one = puts(1);
    // One row is a literal run in Automerge's own encoding.
    for (number, data) in &mut one {
        if *number != wire::INSERT {
            *data = run(-1, &data[1..]);
        }
    }
    [header.bytes(), columns(&one)].concat()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder =
        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn document() -> AutoCommit {
    let mut doc = AutoCommit::new().with_actor(ActorId::from([MALLORY; 16]));
    doc.put(ROOT, "title", "x".repeat(400)).unwrap();
    doc.commit();
    doc
}

fn no_change(book: &mut Book) {
    let parse = "bytes that Automerge would try to read";
    book.refused("no-bytes", parse, "not-a-chunk", |_| Vec::new());
    book.refused("magic-only", parse, "not-a-chunk", |s| {
        good(s)[..4].to_vec()
    });
    book.refused("zeros", parse, "not-a-chunk", |_| vec![0; 200]);
    book.refused("wrong-magic", parse, "not-a-chunk", |s| {
        let mut bytes = good(s);
        bytes[3] ^= 1;
        bytes
    });
    let document_chunk = "a document brings changes of its own past every check";
    book.refused("document-chunk", document_chunk, "chunk-type", |_| {
        document().save()
    });
    book.refused("document-with-orphans", document_chunk, "chunk-type", |s| {
        let mut bytes = document().save();
        bytes.extend(s.altered(|c| c.deps = vec![ChangeHash([9; 32])]));
        bytes
    });
    book.refused(
        "document-column-bomb",
        "deflated columns grow without bound",
        "chunk-type",
        |_| {
            let zeros = deflated(&vec![0; 64 << 20]);
            // One actor, no heads, no change columns; one deflated operation column.
            let mut bytes = vec![1, 16];
            bytes.extend([MALLORY; 16]);
            bytes.extend([0, 0, 1, 0x1d]);
            bytes.extend(unsigned(zeros.len() as u64));
            bytes.extend(zeros);
            sealed(0, &bytes)
        },
    );
    book.refused(
        "compressed-change",
        "only plain chunks are counted before use",
        "chunk-type",
        |_| {
            let mut change = document().get_last_local_change().unwrap();
            change.bytes().into_owned()
        },
    );
    book.refused(
        "deflate-bomb",
        "65 KB that deflate to 64 MB",
        "chunk-type",
        |_| sealed(2, &deflated(&vec![0; 64 << 20])),
    );
    book.refused(
        "bundle-chunk",
        "a bundle holds many changes in another form",
        "chunk-type",
        |s| sealed(3, content(&good(s))),
    );
    for chunk_type in [4, 0x7f, 0x81, 0xff] {
        let name = format!("chunk-type-{chunk_type:02x}");
        book.refused(
            &name,
            "a type of chunk that is yet to come",
            "chunk-type",
            |s| sealed(chunk_type, content(&good(s))),
        );
    }
    let unchecked = "Automerge never checks the checksum of a change, and cannot load it again";
    book.refused("wrong-checksum", unchecked, "checksum", |s| {
        let mut bytes = good(s);
        bytes[4] ^= 1;
        bytes
    });
    book.refused("flipped-content", unchecked, "checksum", |s| {
        let mut bytes = good(s);
        let at = bytes.len() - 3;
        bytes[at] ^= 1;
        bytes
    });
}

fn lengths(book: &mut Book) {
    let ends = "a chunk that is read beyond its end, or not to it";
    book.refused("a-byte-short", ends, "chunk-length", |s| {
        let bytes = good(s);
        bytes[..bytes.len() - 1].to_vec()
    });
    book.refused("a-byte-long", ends, "chunk-length", |s| {
        [good(s), vec![0]].concat()
    });
    book.refused(
        "two-chunks",
        "one refusal for two changes",
        "chunk-length",
        |s| [good(s), good(s)].concat(),
    );
    book.refused(
        "length-of-2-63",
        "a length that memory is reserved for",
        "chunk-length",
        |s| {
            let mut hashed = vec![1];
            hashed.extend(unsigned(1 << 63));
            hashed.extend(content(&good(s)));
            checked(&hashed)
        },
    );
    book.refused(
        "length-overlong",
        "two encodings of one change, with two hashes",
        "malformed-change",
        |s| {
            let bytes = good(s);
            let content = content(&bytes);
            let length = content.len() as u8;
            let mut hashed = vec![1, length | 0x80, 0x80 | length >> 7, 0];
            hashed.extend(content);
            checked(&hashed)
        },
    );
    book.refused(
        "length-endless",
        "a number that never ends",
        "malformed-change",
        |_| {
            let mut hashed = vec![1];
            hashed.extend([0xff; 200]);
            checked(&hashed)
        },
    );
    book.refused("content-empty", ends, "malformed-change", |_| {
        sealed(1, &[])
    });
    book.refused("content-cut", ends, "malformed-change", |s| {
        sealed(1, &content(&good(s))[..40])
    });
    book.refused(
        "bytes-after-columns",
        "bytes that the document forgets",
        "author-footer",
        |s| s.altered(|c| c.extra_bytes = vec![0; 300]),
    );
}

fn dependencies(book: &mut Book) {
    let hash = |n: u16| {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        ChangeHash(bytes)
    };
    book.refused(
        "257-dependencies",
        "lists without bound",
        "too-many-dependencies",
        |s| s.altered(|c| c.deps = (0..257).map(hash).collect()),
    );
    book.refused(
        "2-62-dependencies",
        "a count that memory is reserved for",
        "too-many-dependencies",
        |s| {
            let bytes = content(&good(s))[1..].to_vec();
            sealed(1, &[unsigned(1 << 62), bytes].concat())
        },
    );
    book.refused(
        "dependency-twice",
        "two encodings of one change",
        "dependency-order",
        |s| s.altered(|c| c.deps = vec![c.deps[0], c.deps[0]]),
    );
    book.refused(
        "dependencies-unsorted",
        "two encodings of one change",
        "dependency-order",
        |s| headed(s, |h| h.deps = vec![[2; 32], [1; 32]]),
    );
    book.refused(
        "dependency-cut",
        "reading beyond the end",
        "malformed-change",
        |s| {
            let bytes = content(&good(s)).to_vec();
            sealed(1, &[vec![1], bytes[1..20].to_vec()].concat())
        },
    );
}

fn actors(book: &mut Book) {
    let length = "an actor id is copied into every operation";
    for bytes in [0, 1, 15, 33, 256] {
        let name = format!("actor-of-{bytes}-bytes");
        book.refused(&name, length, "actor-length", |s| {
            s.altered(|c| c.actor_id = ActorId::from(vec![MALLORY; bytes]))
        });
    }
    book.refused("actor-of-a-megabyte", length, "actor-length", |s| {
        s.altered(|c| c.actor_id = ActorId::from(vec![MALLORY; 1_000_000]))
    });
    book.refused(
        "actor-beyond-the-end",
        "reading beyond the end",
        "malformed-change",
        |s| {
            let content = content(&good(s)).to_vec();
            let at = 1 + 32 * usize::from(content[0]);
            let cut = [&content[..at], &unsigned(u64::MAX), &content[at + 1..]].concat();
            sealed(1, &cut)
        },
    );
    let derived = "an actor that counts as another one's";
    for length in [1, 0x10, 0xff] {
        let name = format!("derived-actor-{length:02x}");
        book.refused(&name, derived, "actor-derived", |s| {
            let prefix = [0x13, 0xb2, 0x23, 0x09, length];
            let actor = [&prefix[..], &[BOB; 16]].concat();
            s.altered(|c| c.actor_id = ActorId::from(actor))
        });
    }
    book.refused(
        "other-actors-4097",
        "lists without bound",
        "too-many-actors",
        |s| {
            let mut content = headed_content(s, |_| {});
            let at = 1 + 32 * usize::from(content[0]) + 17 + 2 + unsigned_len(s) + 1;
            assert_eq!(content[at], 0, "no other actors");
            content.splice(at..=at, unsigned(4_097));
            sealed(1, &content)
        },
    );
    book.refused(
        "other-actors-unsorted",
        "two encodings of one change",
        "actor-order",
        |s| headed(s, |h| h.others = vec![vec![2; 16], vec![1; 16]]),
    );
    book.refused(
        "other-actor-is-own",
        "two numbers for one actor",
        "actor-order",
        |s| headed(s, |h| h.others = vec![vec![MALLORY; 16]]),
    );
    book.refused(
        "other-actor-unused",
        "two encodings of one change",
        "not-canonical",
        |s| headed(s, |h| h.others = vec![vec![BOB; 16]]),
    );
    book.refused("other-actor-huge", length_guard(), "actor-length", |s| {
        headed(s, |h| h.others = vec![vec![BOB; 100_000]])
    });
}

fn length_guard() -> &'static str {
    "an actor id of any length by way of the others"
}

/// How many bytes the start counter takes, less one.
fn unsigned_len(stage: &Stage) -> usize {
    unsigned(stage.client(MALLORY).max_op() + 1).len()
}

fn numbers(book: &mut Book) {
    book.refused("seq-0", "an underflow", "impossible-seq", |s| {
        s.altered(|c| c.seq = 0)
    });
    for (name, seq) in [
        ("seq-2-31", 1 << 31),
        ("seq-2-32", 1 << 32),
        ("seq-2-64-1", u64::MAX),
    ] {
        book.refused(name, "a number beyond 32 bits", "impossible-seq", |s| {
            s.altered(|c| c.seq = seq)
        });
    }
    let panics = "Automerge counts operations in 32 bits and panics, now or at the next edit";
    book.refused("start-op-0", panics, "impossible-counter", |s| {
        headed(s, |h| h.start_op = 0)
    });
    for (name, start) in [
        ("start-op-2-31", 1 << 31),
        ("start-op-2-32-1", u64::from(u32::MAX)),
        ("start-op-2-32", 1 << 32),
        ("start-op-2-63", 1 << 63),
        ("start-op-2-64-1", u64::MAX),
    ] {
        book.refused(name, panics, "impossible-counter", |s| {
            s.altered(|c| c.start_op = start.try_into().unwrap())
        });
    }
    book.refused("start-op-2-32-1-twice", panics, "impossible-counter", |s| {
        s.altered(|c| {
            c.operations.push(c.operations[0].clone());
            c.start_op = u64::from(u32::MAX).try_into().unwrap();
        })
    });
    book.refused(
        "no-operations",
        "the document cannot be loaded again",
        "no-operations",
        |s| s.altered(|c| c.operations.clear()),
    );
    book.refused(
        "no-operations-from-1",
        "the document cannot be loaded again",
        "no-operations",
        |s| {
            s.altered(|c| {
                c.operations.clear();
                c.start_op = 1.try_into().unwrap();
            })
        },
    );
}

fn messages(book: &mut Book) {
    book.refused(
        "message-of-1025-bytes",
        "messages without bound",
        "message-too-long",
        |s| s.altered(|c| c.message = Some("m".repeat(1_025))),
    );
    book.refused(
        "message-of-900000-bytes",
        "messages without bound",
        "message-too-long",
        |s| s.altered(|c| c.message = Some("m".repeat(900_000))),
    );
    book.refused(
        "message-no-utf8",
        "a text that is none",
        "message-encoding",
        |s| headed(s, |h| h.message = vec![0xff, 0xfe]),
    );
    book.harmless("message-of-1024-bytes", "just within the bound", |s| {
        s.altered(|c| c.message = Some("m".repeat(1_024)))
    });
    book.harmless(
        "message-of-controls",
        "a message is data, whatever is in it",
        |s| s.altered(|c| c.message = Some("\0\n\u{1b}[2J<script>\u{202e}".to_owned())),
    );
    let times = "the difference of two claimed times overflows, and every later edit fails";
    for (name, time) in [
        ("time-min", i64::MIN),
        ("time-max", i64::MAX),
        ("time-2-53", 1 << 53),
        ("time-minus-2-53", -(1 << 53)),
    ] {
        book.refused(name, times, "impossible-time", |s| {
            s.altered(|c| c.time = time)
        });
    }
    book.harmless("times-far-apart", "times are claims, and may be odd", |s| {
        let change = s.altered(|c| c.time = 1 - (1 << 53));
        s.take("mallory", change);
        s.altered(|c| {
            c.seq = 2;
            c.time = (1 << 53) - 1;
        })
    });
}

fn footers(book: &mut Book) {
    let footer = |text: &[u8]| [&[1, text.len() as u8], text].concat();
    book.refused(
        "footer-on-a-later-change",
        "Automerge panics",
        "author-footer",
        |s| {
            s.edit("mallory", MALLORY, |tx, _| {
                tx.put(ROOT, "tagline", "mine").unwrap()
            });
            s.altered(|c| {
                c.seq = 2;
                c.extra_bytes = footer(b"mallory");
            })
        },
    );
    book.refused(
        "footer-and-more",
        "bytes that Automerge forgets",
        "author-footer",
        |s| s.altered(|c| c.extra_bytes = [footer(b"mallory"), vec![0]].concat()),
    );
    book.refused(
        "footer-unknown",
        "bytes that Automerge forgets",
        "author-footer",
        |s| s.altered(|c| c.extra_bytes = b"\x02\x07mallory".to_vec()),
    );
    book.refused(
        "footer-cut",
        "reading beyond the end",
        "malformed-change",
        |s| s.altered(|c| c.extra_bytes = b"\x01\x09mallory".to_vec()),
    );
    book.refused(
        "footer-of-257-bytes",
        "authors without bound",
        "author-too-long",
        |s| s.altered(|c| c.extra_bytes = [&[1, 0x81, 2][..], &[b'm'; 257]].concat()),
    );
    book.refused(
        "footer-of-somebody-else",
        "a change that names another author",
        "author",
        |s| s.altered(|c| c.extra_bytes = footer(b"bob")),
    );
    book.refused(
        "footer-empty",
        "a change that names nobody",
        "author",
        |s| s.altered(|c| c.extra_bytes = footer(b"")),
    );
    book.harmless("footer-of-the-author", "the one footer that is true", |s| {
        s.altered(|c| c.extra_bytes = footer(b"mallory"))
    });
}
