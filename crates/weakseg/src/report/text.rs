//! Tables as aligned text for a terminal and as Markdown.

use super::rows::Report;
use super::table::{Cell, Column, Table, digits, tables};

/// A terminal's width; wider tables are broken between columns.
const WIDTH: usize = 100;

/// All tables of a report as aligned text.
pub fn text(report: &Report) -> String {
    let tables: Vec<String> = tables(report).iter().map(Table::text).collect();
    tables.join("\n")
}

/// All tables of a report as Markdown.
pub fn markdown(report: &Report) -> String {
    let tables: Vec<String> = tables(report).iter().map(Table::markdown).collect();
    tables.join("\n")
}

impl Table {
    /// Aligned text, at most 100 columns wide where a single figure allows it.
    pub fn text(&self) -> String {
        let labels: Vec<String> = self
            .lines
            .iter()
            .map(|l| join(&l.title, &l.remark))
            .collect();
        let label_width = labels.iter().map(|l| width(l)).max().unwrap_or(0);
        let label_width = label_width.max(width(&self.corner));
        let columns: Vec<Vec<String>> = (0..self.columns.len()).map(|i| self.column(i)).collect();
        let widths: Vec<usize> = columns
            .iter()
            .map(|column| column.iter().map(|c| width(c)).max().unwrap_or(0))
            .collect();

        let mut out = format!("{}\n", self.title);
        let blocks = blocks(&self.columns, &widths, WIDTH.saturating_sub(label_width));
        for (index, block) in blocks.into_iter().enumerate() {
            if index > 0 {
                out.push('\n');
            }
            let heads = if block.clone().all(|i| self.columns[i].title.is_empty()) {
                1
            } else {
                2
            };
            for head in 2 - heads..2 {
                let label = if head == 1 { self.corner.as_str() } else { "" };
                let mut line = pad(label, label_width);
                for i in block.clone() {
                    let name = self.head(i, head, i == block.start, heads);
                    line.push_str("  ");
                    line.push_str(&pad(&name, widths[i].max(width(&name))));
                }
                push_line(&mut out, &line);
            }
            for (row, label) in labels.iter().enumerate() {
                let mut line = pad(label, label_width);
                for i in block.clone() {
                    line.push_str("  ");
                    line.push_str(&pad(&columns[i][row + 1], widths[i]));
                }
                push_line(&mut out, &line);
            }
        }
        if !self.notes.is_empty() {
            out.push('\n');
        }
        for note in &self.notes {
            push_line(&mut out, note);
        }
        out
    }

    /// A GitHub-flavoured Markdown table under a heading.
    pub fn markdown(&self) -> String {
        let mut out = format!(
            "### {}\n\n| {} |",
            escape(&self.title),
            escape(&self.corner)
        );
        for column in &self.columns {
            let name = join(&column.group, &subtitle(column));
            out.push_str(&format!(" {} |", escape(&name)));
        }
        out.push_str("\n|---|");
        out.push_str(&"---|".repeat(self.columns.len()));
        out.push('\n');
        for line in &self.lines {
            out.push_str(&format!("| {} |", escape(&join(&line.title, &line.remark))));
            for cell in &line.cells {
                out.push_str(&format!(" {} |", figure(cell.as_ref())));
            }
            out.push('\n');
        }
        for note in &self.notes {
            out.push_str(&format!("\n{}\n", escape(note)));
        }
        out
    }

    /// The head of column `i`: `level` 0 is the group, 1 the column itself.
    fn head(&self, i: usize, level: usize, first: bool, levels: usize) -> String {
        let column = &self.columns[i];
        if levels == 1 {
            return column.group.clone();
        }
        if level == 1 {
            return subtitle(column);
        }
        let continued = !first && self.columns[i - 1].group == column.group;
        if continued {
            String::new()
        } else {
            column.group.clone()
        }
    }

    /// The texts of column `i`, its head first.
    fn column(&self, i: usize) -> Vec<String> {
        let column = &self.columns[i];
        let head = if column.title.is_empty() {
            column.group.clone()
        } else {
            subtitle(column)
        };
        std::iter::once(head)
            .chain(self.lines.iter().map(|l| figure(l.cells[i].as_ref())))
            .collect()
    }
}

fn subtitle(column: &Column) -> String {
    match column.n {
        Some(n) if !column.title.is_empty() => format!("{} (n={n})", column.title),
        _ => column.title.clone(),
    }
}

/// `0.789 [.758 .820] ▼`.
fn figure(cell: Option<&Cell>) -> String {
    let Some(cell) = cell else {
        return "–".to_owned();
    };
    let mut text = cell.digits();
    if let Some([low, high]) = cell.shown_ci95() {
        text.push_str(&format!(" [{} {}]", short(low), short(high)));
    }
    match cell.standing.mark() {
        "" => text,
        mark => format!("{text} {mark}"),
    }
}

/// A proportion in four characters, `.789`, `1.00`, and a sign where it is below 0: `-.004`.
fn short(value: f64) -> String {
    let text = digits(value);
    let (sign, size) = match text.strip_prefix('-') {
        Some(size) => ("-", size),
        None => ("", text.as_str()),
    };
    match size.strip_prefix('0') {
        Some(rest) => format!("{sign}{rest}"),
        None => format!("{value:.2}"),
    }
}

/// Runs of columns that fit into `room`, broken between groups where one group fits.
fn blocks(columns: &[Column], widths: &[usize], room: usize) -> Vec<std::ops::Range<usize>> {
    let mut blocks = Vec::new();
    let (mut start, mut used) = (0, 0);
    let mut i = 0;
    while i < columns.len() {
        let grouped = !columns[i].title.is_empty();
        let run = columns[i..]
            .iter()
            .take_while(|c| grouped && c.group == columns[i].group)
            .count()
            .max(1);
        let need: usize = widths[i..i + run].iter().map(|w| w + 2).sum();
        if used > 0 && used + need > room {
            blocks.push(start..i);
            (start, used) = (i, 0);
        }
        used += need;
        i += run;
    }
    if start < columns.len() {
        blocks.push(start..columns.len());
    }
    blocks
}

fn join(title: &str, remark: &str) -> String {
    match (title, remark) {
        (title, "") => title.to_owned(),
        ("", remark) => remark.to_owned(),
        (title, remark) => format!("{title}, {remark}"),
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn pad(text: &str, to: usize) -> String {
    let blanks = to.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(blanks))
}

/// Adds a line without the blanks at its end and without control characters, which in a name
/// could move the cursor of a terminal.
fn push_line(out: &mut String, line: &str) {
    out.extend(
        line.trim_end()
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c }),
    );
    out.push('\n');
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use weakseg_data::{LabelSpace, Split};

    use super::super::data::DataSummary;
    use super::super::keys::{ImageLabels, Metric, Step, Subset};
    use super::super::rows::Row;
    use super::super::sample;
    use super::*;

    /// The paper's Table 3 (test split) with the baseline it does not report.
    fn table_3() -> Report {
        let lines = [
            (Step::BaselineEmpty, 0.0, 1.0, 0.7886),
            (Step::Cam, 0.142, 0.9244, 0.7590),
            (Step::Irn, 0.154, 0.9233, 0.7607),
            (Step::Segmentation, 0.162, 0.9301, 0.7677),
        ];
        let mut rows = Vec::new();
        for (step, pos, neg, all) in lines {
            for (subset, value, n) in [
                (Subset::All, all, 686),
                (Subset::Pos, pos, 145),
                (Subset::Neg, neg, 541),
            ] {
                let (split, labels) = (Split::Test, ImageLabels::None);
                let row = Row::new(step, split, labels, subset, Metric::Iou, value, None, n);
                rows.push(row.expect("in range"));
            }
        }
        sample::report(rows)
    }

    #[test]
    fn golden_text() {
        let expected = "\
Steps, test
              IoU
Step          pos (n=145)  neg (n=541)  all (n=686)
Empty mask    0.000        1.000        0.789
CAM           0.142        0.924        0.759 ▼
IRNet         0.154        0.923        0.761 ▼
Segmentation  0.162        0.930        0.768 ▼

▼ below the best mask that looks at no image, = no better than it
";
        assert_eq!(text(&table_3()), expected);
    }

    #[test]
    fn golden_markdown() {
        let expected = "\
### Steps, test

| Step | IoU, pos (n=145) | IoU, neg (n=541) | IoU, all (n=686) |
|---|---|---|---|
| Empty mask | 0.000 | 1.000 | 0.789 |
| CAM | 0.142 | 0.924 | 0.759 ▼ |
";
        let markdown = markdown(&table_3());
        assert!(markdown.starts_with(expected), "{markdown}");
        let legend = "\n\n▼ below the best mask that looks at no image, = no better than it\n";
        assert!(markdown.ends_with(legend), "{markdown}");
    }

    #[test]
    fn short_figures_may_be_below_0() {
        for (value, text) in [
            (0.789, ".789"),
            (1.0, "1.00"),
            (0.9996, "1.00"),
            (0.0, ".000"),
            (-0.0004, ".000"),
            (-0.004, "-.004"),
            (-0.5, "-.500"),
            (-1.0, "-1.00"),
        ] {
            assert_eq!(short(value), text, "{value}");
        }
    }

    #[test]
    fn wide_tables_are_broken_between_metrics() {
        let text = text(&sample::full());
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        assert!(text.contains("CAM, predicted labels"), "{text}");
        assert!(text.contains("[.496 .606]"), "intervals are told: {text}");
    }

    #[test]
    fn exclusive_classes_get_a_line_each_and_a_step_a_column() {
        let names = ["aeroplane", "a|b", "bird\u{1b}[2J"].map(str::to_owned);
        let data = DataSummary::new("voc", LabelSpace::Exclusive, names.to_vec());
        let mut rows = Vec::new();
        for (step, value) in [
            (Step::BaselineEmpty, 0.035),
            (Step::Cam, 0.479),
            (Step::Segmentation, 0.646),
        ] {
            let (split, labels) = (Split::Val, ImageLabels::None);
            let new =
                |subset, metric| Row::new(step, split, labels, subset, metric, value, None, 1449);
            rows.push(new(Subset::All, Metric::Miou).expect("in range"));
            for name in &names {
                let class = Subset::class(name).expect("not reserved");
                rows.push(new(class, Metric::Iou).expect("in range"));
            }
        }
        let report = Report::new(data, rows, vec![]).expect("each key once");
        let text = text(&report);
        assert!(
            text.contains("Class      Empty mask  CAM    Segmentation\n"),
            "{text}"
        );
        assert!(
            text.contains("aeroplane  0.035       0.479  0.646\n"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "names cannot steer the terminal");
        assert!(markdown(&report).contains("| a\\|b | 0.035 |"));
    }
}
