//! The steps of a push, each by itself, over the same ten thousand employees.

#![allow(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "a bench stops at a failure, prints, and counts in numbers that fit"
)]

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rollcall::dialect::{Dialect, startexam};
use rollcall::json::Scratch;
use rollcall::limits::Limits;
use rollcall::profile::{self, Profile};
use rollcall::roster::{BytesHasher, Change, Entry, Index, Status, Version, hash};
use rollcall::sample;
use rollcall::server::STARTEXAM;
use rollcall::store::Store;
use rollcall::sync::{Batch, Checked, Chunk, Finding, Intake, Recogniser, Rulebook, Splitter};
use std::hint::black_box;

const EMPLOYEES: u64 = 10_000;

fn body() -> Vec<u8> {
    let mut body = Vec::new();
    sample::write_body(&mut body, 0..EMPLOYEES, |_| (0, "active")).unwrap();
    body
}

/// The employees of a body as a push would have them to check: none recognised.
fn batch(body: &[u8], limits: &Limits) -> Batch {
    let mut pieces = body.chunks(256 << 10).map(Bytes::copy_from_slice).collect::<Vec<_>>().into_iter();
    let mut intake = Intake::new(Box::new(move || Ok(pieces.next())), &STARTEXAM, limits);
    let mut recogniser = Recogniser::new(1, 1, limits);
    let (mut batch, nobody) = (Batch::default(), Index::default());
    while intake.receive(&mut recogniser.over(&nobody, &mut batch, |_, _| unreachable!())).unwrap() {}
    assert_eq!(batch.unknown.len() as u64, EMPLOYEES);
    batch
}

fn shipped_profile() -> Profile {
    profile::read(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/employees.toml").as_ref()).unwrap()
}

fn split_and_parse(c: &mut Criterion) {
    let body = body();
    let limits = Limits::default();
    let mut group = c.benchmark_group("steps");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("split", |b| {
        let mut elements = Vec::new();
        b.iter(|| {
            let mut splitter = Splitter::new(STARTEXAM.employees, limits.depth_max, limits.envelope_bytes_max);
            elements.clear();
            let array = splitter.split(black_box(&body), 0, usize::MAX, &mut elements).unwrap();
            splitter.split(&body[array..], 0, usize::MAX, &mut elements).unwrap();
            assert_eq!(elements.len() as u64, EMPLOYEES);
        });
    });
    let batch = batch(&body, &limits);
    group.bench_function("parse, on one core", |b| {
        let mut scratch = Scratch::default();
        b.iter(|| {
            for unknown in &batch.unknown {
                let element = &batch.bytes[unknown.element.clone()];
                black_box(startexam::employee(element, &limits, &mut scratch).unwrap());
            }
        });
    });
    let hasher = BytesHasher::new(1, 1);
    let mut known = Index::with_capacity(EMPLOYEES as usize);
    for (number, unknown) in batch.unknown.iter().enumerate() {
        let bytes = hasher.hash(&batch.bytes[unknown.element.clone()]);
        let entry = Entry { bytes, number: number as u32, status: Status::Active, ..Entry::of_id(number as u128) };
        known.insert(entry);
    }
    known.set_order((0..EMPLOYEES as u32).collect());
    let pieces: Vec<Bytes> = body.chunks(256 << 10).map(Bytes::copy_from_slice).collect();
    let recognise = |known: &Index| {
        let mut pieces = pieces.iter().cloned();
        let mut intake = Intake::new(Box::new(move || Ok(pieces.next())), &STARTEXAM, &limits);
        let mut recogniser = Recogniser::new(1, 1, &limits);
        let (mut unknown, mut recognised) = (Batch::default(), 0);
        while intake.receive(&mut recogniser.over(known, &mut unknown, |_, _| recognised += 1)).unwrap() {}
        assert_eq!(recognised, EMPLOYEES);
        recogniser.into_blocks()
    };
    group.bench_function("split and recognise one by one", |b| b.iter(|| recognise(&known)));
    known.set_blocks(recognise(&known));
    known.forget_outdated_blocks();
    group.bench_function("recognise by blocks", |b| b.iter(|| recognise(&known)));
}

fn check_compare_and_write(c: &mut Criterion) {
    let body = body();
    let limits = Limits::default();
    let profile = shipped_profile();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), None).unwrap();
    store.add_account(1, "", "secret", None).unwrap();
    let mut roster = store.roster(&store.key(1).unwrap().unwrap()).unwrap();
    let seed = roster.begin().unwrap().seed();
    let batch = batch(&body, &limits);
    let field_numbers: Vec<u32> = (1..).take(profile.fields.len()).collect();
    let dialect = Dialect::StartExam;
    let rulebook = Rulebook {
        dialect,
        profile: &profile,
        profile_number: 1,
        field_numbers: &field_numbers,
        limits: &limits,
        seed,
    };
    let nobody = Index::default();
    let mut group = c.benchmark_group("steps");
    group.throughput(Throughput::Elements(EMPLOYEES));
    group.bench_function("parse and check, on all cores", |b| {
        b.iter(|| rulebook.check_all(&STARTEXAM, &batch, &nobody).len());
    });
    group.bench_function("append, without the commit", |b| {
        let checked = || rulebook.check_all(&STARTEXAM, &batch, &nobody);
        b.iter_batched(
            checked,
            |checked| {
                let mut draft = roster.begin().unwrap();
                draft.index().unwrap();
                draft.enter_profile(&profile).unwrap();
                draft.append(&created(&checked)).unwrap();
            },
            BatchSize::PerIteration,
        );
    });
    let mut index = Index::default();
    let checked = rulebook.check_all(&STARTEXAM, &batch, &nobody).into_iter().flat_map(|chunk| chunk.checked);
    for (number, checked) in checked.enumerate() {
        let Finding::Different { status, data: Some((_, data_hash)), .. } = checked.finding else {
            panic!("the sample is valid: {checked:?}");
        };
        let Checked { id_hash: id, bytes, .. } = checked;
        index.insert(Entry { id, data: data_hash, bytes: bytes.unwrap(), number: number as u32, profile: 0, status });
    }
    let ids: Vec<String> = (0..EMPLOYEES).map(|number| format!("{number:07}")).collect();
    group.bench_function("compare: find each id in the index", |b| {
        b.iter(|| {
            let find = |id: &String| index.find(hash(seed, id.as_bytes())).map(|place| index.get(place).data);
            ids.iter().filter_map(find).fold(0, |sum, data| sum ^ data)
        });
    });
    group.bench_function("parse, check and compare unchanged, on all cores", |b| {
        b.iter(|| rulebook.check_all(&STARTEXAM, &batch, &index).len());
    });
}

/// The changes that create all employees of the chunks.
fn created(chunks: &[Chunk]) -> Vec<Change<'_>> {
    let checked = chunks.iter().flat_map(|chunk| chunk.checked.iter().map(move |checked| (chunk, checked)));
    let changes = (1..).zip(checked).map(|(number, (chunk, checked))| match &checked.finding {
        Finding::Different { status, data: Some((data, _)), .. } => {
            let after = Version { id: chunk.id(checked).unwrap(), status: *status, profile: 1, data: chunk.data(data) };
            Change { number, before: None, after: Some(after) }
        }
        finding => panic!("the sample is valid: {finding:?}"),
    });
    changes.collect()
}

criterion_group!(benches, split_and_parse, check_compare_and_write);
criterion_main!(benches);
