//! Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write};

use super::histogram::HistogramSnapshot;

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A text of metrics.
#[derive(Clone, Debug, Default)]
pub struct Exposition(String);

/// A metric whose samples are being written.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Exposition {
    /// Begins a metric: all its samples come now.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a String does not fail, here and below.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family {
            text: &mut self.0,
            name,
        }
    }

    /// A metric with one sample.
    pub fn single(&mut self, name: &'static str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// Writes one sample.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.line("", labels, None, value);
        self
    }

    /// Writes the samples of a histogram.
    pub fn histogram(&mut self, labels: &[(&str, &str)], histogram: &HistogramSnapshot) {
        for (bound, count) in &histogram.buckets {
            self.line("_bucket", labels, Some(bound.to_string()), count);
        }
        self.line("_bucket", labels, Some("+Inf".into()), histogram.count);
        self.line("_sum", labels, None, histogram.sum);
        self.line("_count", labels, None, histogram.count);
    }

    fn line(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        bound: Option<String>,
        value: impl Display,
    ) {
        let _ = write!(self.text, "{}{suffix}", self.name);
        let bound = bound.as_deref().map(|bound| ("le", bound));
        let mut open = '{';
        for (name, value) in labels.iter().copied().chain(bound) {
            let _ = write!(self.text, "{open}{name}=\"{}\"", escaped(value));
            open = ',';
        }
        if open == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_written_as_prometheus_reads_them() {
        let mut text = Exposition::default();
        text.family("routes", Kind::Gauge, "How many.\nOf all.")
            .sample(&[("neighbor", "a\"b\\c\nd"), ("x", "y")], 3)
            .sample(&[], 0.5);
        text.single("up", Kind::Counter, "Yes.", 1);
        assert_eq!(
            text.into_text(),
            "# HELP routes How many.\\nOf all.\n# TYPE routes gauge\n\
             routes{neighbor=\"a\\\"b\\\\c\\nd\",x=\"y\"} 3\nroutes 0.5\n\
             # HELP up Yes.\n# TYPE up counter\nup 1\n"
        );
    }

    #[test]
    fn a_histogram_ends_with_infinity_its_sum_and_count() {
        let mut text = Exposition::default();
        let histogram = HistogramSnapshot {
            buckets: vec![(0.001, 1), (1.0, 2)],
            count: 3,
            sum: 2.5,
        };
        text.family("t_seconds", Kind::Histogram, "T.")
            .histogram(&[("a", "b")], &histogram);
        let text = text.into_text();
        let lines: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "t_seconds_bucket{a=\"b\",le=\"0.001\"} 1",
                "t_seconds_bucket{a=\"b\",le=\"1\"} 2",
                "t_seconds_bucket{a=\"b\",le=\"+Inf\"} 3",
                "t_seconds_sum{a=\"b\"} 2.5",
                "t_seconds_count{a=\"b\"} 3",
            ]
        );
    }
}
