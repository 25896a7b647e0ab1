//! A sequence as runs, each written by one entry: a piece table in two levels.
//!
//! No run is empty. A piece holds at most [`PIECE_MAX`] runs, so the cost of a splice is the number
//! of pieces and not that of runs.

const PIECE_MAX: usize = 256;

#[derive(Debug, Clone, Default)]
struct Piece {
    length: usize,
    runs: Vec<(usize, u32)>,
}

/// The runs of one sequence.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs {
    pieces: Vec<Piece>,
}

impl Runs {
    /// One run.
    pub(super) fn of(length: usize, by: u32) -> Self {
        let mut runs = Self::default();
        if length > 0 {
            runs.pieces.push(Piece {
                length,
                runs: vec![(length, by)],
            });
        }
        runs
    }

    /// How many elements.
    pub(super) fn length(&self) -> usize {
        self.pieces.iter().map(|piece| piece.length).sum()
    }

    /// Replaces `removed` elements at `at` by `inserted` of `by`; `None` if there are fewer.
    pub(super) fn splice(
        &mut self,
        at: usize,
        mut removed: usize,
        inserted: usize,
        by: u32,
    ) -> Option<()> {
        let (mut piece, mut run) = self.cut(at)?;
        while removed > 0 {
            let found = self.pieces.get_mut(piece)?;
            let Some((length, _)) = found.runs.get_mut(run) else {
                (piece, run) = (piece + 1, 0);
                continue;
            };
            let gone = removed.min(*length);
            *length -= gone;
            found.length -= gone;
            removed -= gone;
            if *length == 0 {
                found.runs.remove(run);
            }
        }
        if inserted > 0 {
            self.insert(piece, run, inserted, by);
        }
        if self.pieces.iter().any(|piece| piece.runs.is_empty()) {
            self.pieces.retain(|piece| !piece.runs.is_empty());
        }
        Some(())
    }

    fn insert(&mut self, piece: usize, run: usize, inserted: usize, by: u32) {
        if piece == self.pieces.len() {
            self.pieces.push(Piece::default());
        }
        let held = &mut self.pieces[piece];
        held.runs.insert(run, (inserted, by));
        held.length += inserted;
        if held.runs.len() > PIECE_MAX {
            let rest = held.runs.split_off(PIECE_MAX / 2);
            let length = rest.iter().map(|(length, _)| length).sum();
            held.length -= length;
            self.pieces.insert(piece + 1, Piece { length, runs: rest });
        }
    }

    /// Where the run that begins at `at` is, after cutting one in two if need be.
    fn cut(&mut self, at: usize) -> Option<(usize, usize)> {
        let mut rest = at;
        for (index, piece) in self.pieces.iter_mut().enumerate() {
            if rest > piece.length {
                rest -= piece.length;
                continue;
            }
            for run in 0..piece.runs.len() {
                let (length, by) = piece.runs[run];
                if rest == 0 {
                    return Some((index, run));
                }
                if rest < length {
                    piece.runs[run].0 = rest;
                    piece.runs.insert(run + 1, (length - rest, by));
                    return Some((index, run + 1));
                }
                rest -= length;
            }
            return Some((index, piece.runs.len()));
        }
        (rest == 0).then_some((self.pieces.len(), 0))
    }

    /// The runs in order, neighbours of one entry as one.
    pub(super) fn joined(&self) -> Vec<(usize, u32)> {
        let mut joined: Vec<(usize, u32)> = Vec::new();
        for &(length, by) in self.pieces.iter().flat_map(|piece| &piece.runs) {
            match joined.last_mut() {
                Some(last) if last.1 == by => last.0 += length,
                _ => joined.push((length, by)),
            }
        }
        joined
    }
}
