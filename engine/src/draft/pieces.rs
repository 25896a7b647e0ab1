//! A list or text that is being spliced, as pieces of what it was and of what was inserted.
//!
//! Invariant: pieces of what it was ascend; cutting is linear in pieces and splices.

use std::ops::Range;

use automerge::AutomergeError;

use super::Splice;

/// Consecutive elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Of the sequence as it was before the change: units of position.
    Before(Range<usize>),
    /// That the change inserts: the counters of their operations.
    Own { elements: Range<u64>, units: usize },
}

impl Piece {
    fn units(&self) -> usize {
        match self {
            Self::Before(units) => units.len(),
            Self::Own { units, .. } => *units,
        }
    }

    /// The last element.
    fn last(&self) -> Anchor {
        match self {
            Self::Before(units) => Anchor::Before(units.end - 1),
            Self::Own { elements, .. } => Anchor::Own(elements.end - 1),
        }
    }

    /// Takes the first `units` off.
    fn split<W: Iterator<Item = usize>>(
        &mut self,
        units: usize,
        widths: impl FnOnce(Range<u64>) -> W,
    ) -> Self {
        match self {
            Self::Before(all) => {
                let middle = all.start + units;
                let first = Self::Before(all.start..middle);
                all.start = middle;
                first
            }
            Self::Own {
                elements,
                units: all,
            } => {
                let (mut count, mut seen) = (0, 0);
                match *all as u64 == elements.end - elements.start {
                    true => (count, seen) = (units as u64, units),
                    false => {
                        let mut widths = widths(elements.clone());
                        while seen < units {
                            (count, seen) = (count + 1, seen + widths.next().unwrap_or(units));
                        }
                    }
                }
                let middle = elements.start + count;
                let first = Self::Own {
                    elements: elements.start..middle,
                    units: seen,
                };
                (elements.start, *all) = (middle, *all - seen);
                first
            }
        }
    }
}

/// What an insertion comes behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Head,
    /// The element that has this unit, of the sequence as it was.
    Before(usize),
    /// An element that the change inserts.
    Own(u64),
}

/// One splice, and what stays before it.
#[derive(Debug)]
pub(super) struct Cut {
    stays: Vec<Piece>,
    pub(super) anchor: Anchor,
    pub(super) removed: Vec<Piece>,
    pub(super) inserted: Option<Piece>,
}

/// The whole of a sequence.
#[derive(Debug, Default)]
pub(super) struct Pieces(Vec<Piece>);

impl Pieces {
    /// A sequence of `length` units, as it was.
    pub(super) fn before(length: usize) -> Self {
        Self(match length {
            0 => Vec::new(),
            _ => vec![Piece::Before(0..length)],
        })
    }

    pub(super) fn length(&self) -> usize {
        self.0.iter().map(Piece::units).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Piece> {
        self.0.iter()
    }

    /// Cuts it at the splices; the last cut is of what stays after all of them. `widths` gives the
    /// units that inserted elements take each.
    pub(super) fn cut<W: Iterator<Item = usize>>(
        self,
        splices: &[Splice],
        widths: impl Fn(Range<u64>) -> W,
    ) -> Result<Vec<Cut>, AutomergeError> {
        let mut cuts = Vec::with_capacity(splices.len() + 1);
        let mut rest = Rest {
            ahead: self.0.into_iter(),
            piece: None,
            widths,
        };
        let (mut done, mut anchor) = (0, Anchor::Head);
        for splice in splices {
            debug_assert!(done <= splice.at, "splices ascend and do not overlap");
            let (stays, length) = rest.take(splice.at.saturating_sub(done));
            if done + length < splice.at && !splice.inserted.is_empty() {
                return Err(AutomergeError::InvalidIndex(splice.at));
            }
            if let Some(last) = stays.last() {
                anchor = last.last();
            }
            let (removed, length) = rest.take(splice.removed);
            done = splice.at + length;
            let after = removed.last().map(Piece::last);
            cuts.push(Cut {
                stays,
                anchor,
                removed,
                inserted: None,
            });
            // Those that come after this one are written while it is still there.
            anchor = after.unwrap_or(anchor);
        }
        let (stays, _) = rest.take(usize::MAX);
        cuts.push(Cut {
            stays,
            anchor,
            removed: Vec::new(),
            inserted: None,
        });
        Ok(cuts)
    }

    /// The sequence after the cuts.
    pub(super) fn joined(cuts: Vec<Cut>) -> Self {
        let pieces = cuts
            .into_iter()
            .flat_map(|cut| cut.stays.into_iter().chain(cut.inserted));
        Self(pieces.collect())
    }
}

/// What of a sequence has not been cut yet.
struct Rest<F> {
    ahead: std::vec::IntoIter<Piece>,
    piece: Option<Piece>,
    widths: F,
}

impl<F> Rest<F> {
    /// The next pieces, of `units` in all or what there is; and how many they are.
    fn take<W: Iterator<Item = usize>>(&mut self, units: usize) -> (Vec<Piece>, usize)
    where
        F: Fn(Range<u64>) -> W,
    {
        let (mut taken, mut length) = (Vec::new(), 0);
        while length < units {
            let Some(mut piece) = self.piece.take().or_else(|| self.ahead.next()) else {
                break;
            };
            let room = units - length;
            let first = match piece.units() <= room {
                true => piece,
                false => {
                    let first = piece.split(room, &self.widths);
                    self.piece = (piece.units() > 0).then_some(piece);
                    first
                }
            };
            length += first.units();
            taken.push(first);
        }
        (taken, length)
    }
}

/// The units, as they were, whose elements have to be known: ascending, but for an anchor that is
/// removed by the splice before.
pub(super) fn wanted(cuts: &[Cut]) -> Vec<Range<usize>> {
    let mut wanted = Vec::new();
    for cut in cuts {
        if let Anchor::Before(unit) = cut.anchor {
            wanted.push(unit..unit + 1);
        }
        wanted.extend(cut.removed.iter().filter_map(|piece| match piece {
            Piece::Before(units) => Some(units.clone()),
            Piece::Own { .. } => None,
        }));
    }
    wanted
}
