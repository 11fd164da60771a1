//! Figures by daemon, with the ratio of ours to the best of the others.

use std::fmt;

use super::dut::Kind;

/// One table; rows appear in the order of their first figure.
pub(super) struct Table {
    title: &'static str,
    kinds: Vec<Kind>,
    rows: Vec<(String, Vec<Option<f64>>)>,
}

impl Table {
    pub(super) fn new(title: &'static str, kinds: &[Kind]) -> Self {
        Self {
            title,
            kinds: kinds.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Notes a daemon's figure; less is better.
    pub(super) fn put(&mut self, kind: Kind, row: impl Into<String>, figure: f64) {
        let row = row.into();
        let at = self.rows.iter().position(|(name, _)| *name == row);
        let at = at.unwrap_or_else(|| {
            self.rows.push((row, vec![None; self.kinds.len()]));
            self.rows.len() - 1
        });
        let column = self.kinds.iter().position(|k| *k == kind);
        if let Some(cell) = column.and_then(|c| self.rows.get_mut(at)?.1.get_mut(c)) {
            *cell = Some(figure);
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.kinds.iter().map(|k| k.name()).collect();
        writeln!(f, "{}\n", self.title)?;
        writeln!(f, "| | {} | ours / best peer |", names.join(" | "))?;
        writeln!(f, "|---|{}", "---|".repeat(names.len() + 1))?;
        for (name, figures) in &self.rows {
            let cells = figures
                .iter()
                .map(|figure| figure.map_or_else(|| "–".into(), number));
            let cells: Vec<String> = cells.collect();
            writeln!(
                f,
                "| {name} | {} | {} |",
                cells.join(" | "),
                self.ratio(figures)
            )?;
        }
        Ok(())
    }
}

impl Table {
    fn ratio(&self, figures: &[Option<f64>]) -> String {
        let by_kind = || self.kinds.iter().zip(figures);
        let ours = by_kind().find_map(|(kind, figure)| (*kind == Kind::Ours).then_some(*figure)?);
        let others = by_kind().filter_map(|(kind, figure)| figure.filter(|_| *kind != Kind::Ours));
        let best = others.min_by(f64::total_cmp);
        match (ours, best) {
            (Some(ours), Some(best)) if best > 0.0 => format!("{:.2}", ours / best),
            _ => "–".into(),
        }
    }
}

/// Three significant digits.
fn number(figure: f64) -> String {
    match figure.abs() {
        f if f >= 100.0 => format!("{figure:.0}"),
        f if f >= 10.0 => format!("{figure:.1}"),
        f if f >= 0.1 => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}

/// The value below which this part of the samples lies.
pub(super) fn quantile(samples: &mut [f64], part: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a short list"
    )]
    let at = ((samples.len() as f64 * part) as usize).min(samples.len().saturating_sub(1));
    samples.get(at).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Generation;

    #[test]
    fn the_ratio_is_to_the_best_of_the_others() {
        let bird = Kind::Bird(Generation::Bookworm);
        let frr = Kind::Frr(Generation::Bookworm);
        let mut table = Table::new("t", &[Kind::Ours, bird, frr]);
        table.put(Kind::Ours, "row", 5.0);
        table.put(frr, "row", 100.0);
        table.put(bird, "row", 10.0);
        assert!(
            table
                .to_string()
                .contains("| row | 5.00 | 10.0 | 100 | 0.50 |"),
            "{table}"
        );
    }

    #[test]
    fn quantiles() {
        let mut samples: Vec<f64> = (0..100).map(f64::from).collect();
        assert!((quantile(&mut samples, 0.5) - 50.0).abs() < 1e-9);
        assert!((quantile(&mut samples, 0.99) - 99.0).abs() < 1e-9);
    }
}
