//! Changes of honest clients and of the hostile catalogue, altered byte by byte with the checksum
//! made right again, through admission: what is admitted applies, saves and loads; the checks leave
//! nothing for the trial to find; nothing protected changes; and afterwards an honest client can
//! still write.
//!
//! The input is a program: which case of the catalogue, then up to three times which change and
//! which edits of its body.

use std::slice::Iter;
use std::sync::{LazyLock, OnceLock};

use indelible_engine::admission::Origin;
use indelible_engine::entity::Entity;

use super::stage;
use crate::chunk;
use crate::hostile::{self, Case};

const ROUNDS: usize = 3;

/// Longer changes are bombs; the catalogue tries those as they are.
const CHANGE_BYTES_MAX: usize = 4_096;

struct Stage {
    entity: Entity,
    /// Whose changes they are, and the bodies of the chunks.
    bodies: Vec<(String, Vec<u8>)>,
}

static CASES: LazyLock<Vec<(Case, OnceLock<Stage>)>> = LazyLock::new(|| {
    let cases = hostile::cases().into_iter();
    cases.map(|case| (case, OnceLock::new())).collect()
});

/// The entity of a case before its attack, the attack, and some honest edits.
fn stage(index: usize) -> &'static Stage {
    let (case, made) = &CASES[index % CASES.len()];
    made.get_or_init(|| {
        let mut entity = stage::created(&case.entity());
        for step in &case.setup {
            let by = hostile::principal(&step.by);
            let verdict = stage::judge(&entity, &by, step.bytes(), Origin::Client);
            entity = stage::after(verdict).expect("the setup of a case is admitted");
        }
        let honest = stage::honest_changes(&entity).into_iter();
        let honest = honest.map(|change| (stage::HONEST.to_owned(), change));
        let attack = case.attack.bytes().into_iter();
        let attack = attack.map(|change| (case.attack.by.clone(), change));
        let bodies = attack
            .chain(honest)
            .filter(|(_, change)| change.len() <= CHANGE_BYTES_MAX)
            .map(|(by, change)| (by, chunk::content(&change).unwrap_or(&change).to_vec()))
            .collect();
        Stage { entity, bodies }
    })
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let attack = |at: u16| [&at.to_be_bytes()[..], &[0, 0]].concat();
    let honest = |change: u8| vec![0, change, change, 0];
    let count = u16::try_from(CASES.len()).expect("the catalogue is not that big");
    (0..count).map(attack).chain((0..10).map(honest)).collect()
}

/// A body after the edits that the rest of the input describes, four bytes each.
fn altered(body: &[u8], program: &mut Iter<'_, u8>) -> Vec<u8> {
    let mut body = body.to_vec();
    let count = program.next().map_or(0, |n| n % 8);
    for _ in 0..count {
        let Some([high, low, kind, value]) = taken(program) else {
            break;
        };
        let at = usize::from(u16::from_be_bytes([high, low])) % (body.len() + 1);
        match kind % 5 {
            0 if at < body.len() => body[at] = value,
            1 if at < body.len() => body[at] ^= 1 << (value % 8),
            2 if at < body.len() => drop(body.remove(at)),
            3 => body.insert(at, value),
            _ if at < body.len() => body[at] = body[at].wrapping_add(value),
            _ => {}
        }
    }
    body
}

fn taken<const N: usize>(program: &mut Iter<'_, u8>) -> Option<[u8; N]> {
    let (taken, rest) = program.as_slice().split_first_chunk()?;
    *program = rest.iter();
    Some(*taken)
}

pub(crate) fn run(data: &[u8]) {
    let mut program = data.iter();
    let Some(case) = taken(&mut program) else {
        return;
    };
    let stage = stage(usize::from(u16::from_be_bytes(case)));
    let mut entity = stage.entity.clone();
    for _ in 0..ROUNDS {
        let Some(choice) = program.next() else { break };
        let (by, body) = &stage.bodies[usize::from(*choice) % stage.bodies.len()];
        let change = chunk::change(&altered(body, &mut program));
        let author = hostile::principal(by);
        let before = (entity.heads(), entity.presented());
        let verdict = stage::judge(&entity, &author, vec![change], Origin::Client);
        assert_eq!((entity.heads(), entity.presented()), before);
        if let Some(refused) = &verdict.refused {
            assert_ne!(refused.code, "inapplicable", "{refused:?}");
        }
        if let Some(after) = stage::after(verdict) {
            if !author.roles.contains("chief") {
                assert_eq!(hostile::protected(&after), hostile::protected(&entity));
            }
            entity = after;
            stage::lives(&entity);
        }
    }
}
