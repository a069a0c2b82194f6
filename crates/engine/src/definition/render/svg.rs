//! The graph as SVG 1.1, without a font of our own: letters of one width, so that what fits into a box is known here.

use super::layout::{Extent, Layout, Line, layout};
use super::line;
use crate::definition::{Definition, Mode, Step};

/// The width of a letter of 13 pixels in the fonts that are named.
const LETTER: f64 = 7.83;
/// By how much the title's letters are larger.
const TITLE: f64 = 16.0 / 13.0;
/// Letters of a line of a box; a longer one ends in `…`.
const LETTERS_MAX: usize = 40;
const LINE: f64 = 18.0;
const PAD: f64 = 12.0;
const MARGIN: f64 = 28.0;
/// The title above the graph.
const HEAD: f64 = 84.0;
/// Between two rows.
const ROW_GAP: f64 = 56.0;
/// Between a step and what stands beside it.
const SIDE_GAP: f64 = 34.0;
/// Between two boxes beside a step.
const STACK_GAP: f64 = 10.0;

const STYLE: &str = "\
text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:13px;fill:#1f2328}\
text.id{font-weight:bold}text.more{fill:#59636e}text.mark{fill:#8250df}\
text.title{font-size:16px;font-weight:bold}\
.step{fill:#f6f8fa;stroke:#1f2328;stroke-width:1.2}.pivot{stroke-width:3}\
.undo{fill:#fff;stroke:#cf222e;stroke-width:1.2;stroke-dasharray:5 3}\
.line{fill:none;stroke:#59636e;stroke-width:1.4;marker-end:url(#tip)}\
.back{fill:none;stroke:#cf222e;stroke-width:1.2;stroke-dasharray:5 3;marker-end:url(#tip-back)}\
.tip{fill:#59636e}.tip-back{fill:#cf222e}.band{fill:#ddf4ff;fill-opacity:.5}";

/// A box: its kind, its size, and its lines of text with theirs.
struct Shape {
    class: &'static str,
    width: f64,
    height: f64,
    texts: Vec<(&'static str, String)>,
}

/// A step's box, and those beside it, from top to bottom: its confirm and its undo.
struct Group {
    step: Shape,
    beside: Vec<Shape>,
}

/// A row's upper edge and its height.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    top: f64,
    height: f64,
}

impl Definition {
    /// The graph as an SVG document: layers as rows, compensations dashed beside their steps.
    #[must_use]
    pub fn graph_svg(&self) -> String {
        let groups: Vec<Group> = self.steps.iter().map(|step| self.group(step)).collect();
        let extents: Vec<Extent> = groups.iter().map(Group::extent).collect();
        let layout = layout(self, &extents);
        let rows = self.rows(&groups);
        let title = format!("{} {}", self.name, self.version);
        let manner = format!("{} · {}", self.mode.word(), self.compensation.word());
        let head = (letters(&title) * TITLE).max(letters(&manner));
        let width = layout.width.max(head) + 2.0 * MARGIN;
        let height = rows.last().map_or(HEAD, |row| row.top + row.height) + MARGIN;
        let mut out = String::new();
        begin(&mut out, width, height, &title);
        text(&mut out, "title", (MARGIN, 34.0), &title);
        text(&mut out, "more", (MARGIN, 56.0), &manner);
        if self.mode == Mode::Layers {
            for Row { top, height } in &rows {
                let (y, width, height) = (top - PAD, width - MARGIN, height + 2.0 * PAD);
                let x = MARGIN / 2.0;
                line(
                    &mut out,
                    format_args!(
                        "<rect class=\"band\" x=\"{x}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"8\"/>\n"
                    ),
                );
            }
        }
        let left = MARGIN + (width - 2.0 * MARGIN - layout.width) / 2.0;
        self.draw(&mut out, &groups, &layout, &rows, left);
        out.push_str("</svg>\n");
        out
    }

    /// Lines first, so that boxes lie above them.
    fn draw(&self, out: &mut String, groups: &[Group], layout: &Layout, rows: &[Row], left: f64) {
        let row_of = |at: usize| self.steps.get(at).map_or(0, |step| usize::try_from(step.layer).unwrap_or(0));
        let place = |at: usize| {
            let row = rows.get(row_of(at)).copied().unwrap_or_default();
            (layout.steps.get(at).map_or(0.0, |middle| middle + left), row.top)
        };
        for drawn in &layout.lines {
            let from = groups.get(drawn.from).map_or(0.0, |group| group.step.height);
            let (x, top) = place(drawn.from);
            let passed = rows.get(row_of(drawn.from) + 1..).unwrap_or_default();
            curve(out, drawn, (x, top + from), passed, place(drawn.to), left);
        }
        for (at, group) in groups.iter().enumerate() {
            let (middle, top) = place(at);
            group.step.draw(out, middle - group.step.width / 2.0, top);
            let edge = middle + group.step.width / 2.0;
            let from = top + group.step.height / 2.0;
            let mut y = top;
            for shape in &group.beside {
                let (bend, tip, to) = (edge + SIDE_GAP / 2.0, edge + SIDE_GAP, y + shape.height / 2.0);
                let class = if shape.class == "undo" { "back" } else { "line" };
                line(
                    out,
                    format_args!("<path class=\"{class}\" d=\"M{edge:.1} {from:.1}H{bend:.1}V{to:.1}H{tip:.1}\"/>\n"),
                );
                shape.draw(out, tip, y);
                y += shape.height + STACK_GAP;
            }
        }
    }

    fn group(&self, step: &Step) -> Group {
        let texts = ["id", "more", "mark"].into_iter().zip(self.lines(step)).collect();
        let class = if step.pivot { "step pivot" } else { "step" };
        let confirm = step.confirm.as_ref().map(|confirm| {
            Shape::new("step", vec![("id", format!("confirm {}", step.id)), ("more", confirm.run.describe())])
        });
        let undo = step.compensate.as_ref().map(|undo| {
            let mut texts = vec![("id", format!("{} {}", self.undo_word(), step.id)), ("more", undo.describe())];
            texts.extend(undo.critical.then(|| ("mark", "critical".to_owned())));
            Shape::new("undo", texts)
        });
        Group { step: Shape::new(class, texts), beside: confirm.into_iter().chain(undo).collect() }
    }

    /// Where each layer is, and how high.
    fn rows(&self, groups: &[Group]) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for (step, group) in self.steps.iter().zip(groups) {
            let layer = usize::try_from(step.layer).unwrap_or(0);
            if rows.len() <= layer {
                rows.resize(layer + 1, Row::default());
            }
            if let Some(row) = rows.get_mut(layer) {
                row.height = row.height.max(group.height());
            }
        }
        let mut top = HEAD;
        for row in &mut rows {
            row.top = top;
            top += row.height + ROW_GAP;
        }
        rows
    }
}

impl Group {
    fn extent(&self) -> Extent {
        let half = self.step.width / 2.0;
        let beside = self.beside.iter().map(|shape| SIDE_GAP + shape.width).fold(0.0, f64::max);
        Extent { left: half, right: half + beside }
    }

    fn height(&self) -> f64 {
        let gaps = self.beside.iter().skip(1).map(|_| STACK_GAP).sum::<f64>();
        let beside = self.beside.iter().map(|shape| shape.height).sum::<f64>();
        self.step.height.max(gaps + beside)
    }
}

impl Shape {
    fn new(class: &'static str, texts: Vec<(&'static str, String)>) -> Self {
        let widest = texts.iter().map(|(_, text)| letters(&shortened(text))).fold(0.0, f64::max);
        let height = texts.iter().fold(2.0 * PAD - 4.0, |height, _| height + LINE);
        Self { class, width: widest + 2.0 * PAD, height, texts }
    }

    fn draw(&self, out: &mut String, x: f64, y: f64) {
        let Self { class, width, height, texts } = self;
        line(
            out,
            format_args!(
                "<g><rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\"/>"
            ),
        );
        let whole: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
        line(out, format_args!("<title>{}</title>\n", escaped(&whole.join("\n"))));
        let mut baseline = y + PAD + 10.0;
        for (class, written) in texts {
            text(out, class, (x + PAD, baseline), &shortened(written));
            baseline += LINE;
        }
        out.push_str("</g>\n");
    }
}

fn begin(out: &mut String, width: f64, height: f64, title: &str) {
    let title = escaped(title);
    line(
        out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{title}\">\n<style>{STYLE}</style>\n"
        ),
    );
    for tip in ["tip", "tip-back"] {
        let shape = "viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\" markerUnits=\"userSpaceOnUse\"";
        line(
            out,
            format_args!("<marker id=\"{tip}\" {shape}><path class=\"{tip}\" d=\"M0 .5 8 4 0 7.5z\"/></marker>\n"),
        );
    }
    line(out, format_args!("<rect width=\"{width:.0}\" height=\"{height:.0}\" fill=\"#fff\"/>\n"));
}

/// A line from below one box, past those of the rows between, to above another.
fn curve(out: &mut String, drawn: &Line, from: (f64, f64), passed: &[Row], to: (f64, f64), left: f64) {
    let (mut x, mut y) = from;
    let mut path = format!("M{x:.1} {y:.1}");
    let mut bend = |to_x: f64, to_y: f64, path: &mut String| {
        let half = (y + to_y) / 2.0;
        line(path, format_args!("C{x:.1} {half:.1} {to_x:.1} {half:.1} {to_x:.1} {to_y:.1}"));
        (x, y) = (to_x, to_y);
    };
    for (middle, row) in drawn.passes.iter().zip(passed) {
        bend(middle + left, row.top, &mut path);
        bend(middle + left, row.top + row.height, &mut path);
    }
    bend(to.0, to.1, &mut path);
    line(out, format_args!("<path class=\"line\" d=\"{path}\"/>\n"));
}

fn text(out: &mut String, class: &str, (x, y): (f64, f64), text: &str) {
    line(out, format_args!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>\n", escaped(text)));
}

fn letters(text: &str) -> f64 {
    text.chars().fold(0.0, |width, _| width + LETTER)
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LETTERS_MAX {
        return text.to_owned();
    }
    text.chars().take(LETTERS_MAX - 1).chain(['…']).collect()
}

/// As XML 1.0 takes it, in text and in attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() && c != '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
