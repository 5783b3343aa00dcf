//! The steps of a push, each by itself, over the same ten thousand employees.

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rollcall::dialect::startexam;
use rollcall::json::Scratch;
use rollcall::limits::Limits;
use rollcall::profile::{self, Profile};
use rollcall::roster::{Entry, Index, hash};
use rollcall::sample;
use rollcall::store::Store;
use rollcall::sync::{Batch, Finding, Format, Intake, Rulebook, Splitter, Writer};
use std::hint::black_box;

const EMPLOYEES: u64 = 10_000;
const FORMAT: Format =
    Format { employees: startexam::EMPLOYEES, envelope: startexam::envelope, employee: startexam::employee };

fn body() -> Vec<u8> {
    let mut body = Vec::new();
    sample::write_body(&mut body, 0..EMPLOYEES, |_| (0, "active")).unwrap();
    body
}

fn batches(body: &[u8], limits: &Limits) -> Vec<Batch> {
    let mut pieces = body.chunks(64 << 10).map(Bytes::copy_from_slice).collect::<Vec<_>>().into_iter();
    let mut intake = Intake::new(Box::new(move || Ok(pieces.next())), &FORMAT, limits);
    std::iter::from_fn(|| intake.next_batch().unwrap()).collect()
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
            let mut splitter = Splitter::new(FORMAT.employees, limits.depth_max, limits.envelope_bytes_max);
            elements.clear();
            splitter.split(black_box(&body), 0, &mut elements).unwrap();
            assert_eq!(elements.len() as u64, EMPLOYEES);
        });
    });
    let batches = batches(&body, &limits);
    group.bench_function("parse, on one core", |b| {
        let mut scratch = Scratch::default();
        b.iter(|| {
            for batch in &batches {
                for element in &batch.elements {
                    black_box(startexam::employee(&batch.block[element.clone()], &limits, &mut scratch).unwrap());
                }
            }
        });
    });
}

fn check_compare_and_write(c: &mut Criterion) {
    let body = body();
    let limits = Limits::default();
    let profile = shipped_profile();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    store.add_account(1, "", "secret").unwrap();
    let mut roster = store.roster(&store.key(1).unwrap().unwrap()).unwrap();
    let seed = roster.seed();
    let batches = batches(&body, &limits);
    let field_numbers: Vec<u32> = (1..).take(profile.fields.len()).collect();
    let rulebook = Rulebook {
        format: &FORMAT,
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
        b.iter(|| batches.iter().map(|batch| rulebook.check_all(batch, &nobody).len()).sum::<usize>());
    });
    group.bench_function("write, without the commit", |b| {
        let checked = || batches.iter().map(|batch| rulebook.check_all(batch, &nobody)).collect::<Vec<_>>();
        b.iter_batched(
            checked,
            |checked| {
                let transaction = roster.begin().unwrap();
                let numbers = transaction.enter_profile(&profile).unwrap();
                let mut writer = Writer::new(&transaction, &nobody, &numbers, seed, 10).unwrap();
                checked.into_iter().for_each(|batch| writer.apply(batch).unwrap());
                assert_eq!(writer.finish().unwrap().0.created, EMPLOYEES);
            },
            BatchSize::PerIteration,
        );
    });
    let mut index = Index::default();
    let checked = batches.iter().flat_map(|batch| rulebook.check_all(batch, &nobody)).flatten();
    for (number, checked) in checked.enumerate() {
        let Finding::Different { status, data: Some((_, data_hash)), .. } = checked.finding else {
            panic!("the sample is valid: {checked:?}");
        };
        index.insert(Entry::new(checked.id_hash, data_hash, number as u32, status));
    }
    let ids: Vec<String> = (0..EMPLOYEES).map(|number| format!("{number:07}")).collect();
    group.bench_function("compare: find each id in the index", |b| {
        b.iter(|| {
            let find = |id: &String| index.find(hash(seed, id.as_bytes())).map(|place| index.get(place).data());
            ids.iter().filter_map(find).fold(0, |sum, data| sum ^ data)
        });
    });
    group.bench_function("parse, check and compare unchanged, on all cores", |b| {
        b.iter(|| batches.iter().map(|batch| rulebook.check_all(batch, &index).len()).sum::<usize>());
    });
}

criterion_group!(benches, split_and_parse, check_compare_and_write);
criterion_main!(benches);
