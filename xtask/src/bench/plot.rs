//! Bars as SVG, on a logarithmic scale.

use std::fmt::Write as _;

/// A group of bars with a title.
pub(super) struct Group {
    pub(super) title: String,
    /// One for each series; nothing where it was not measured.
    pub(super) figures: Vec<Option<f64>>,
}

/// A colour for each series, told apart without colour vision too.
const COLOURS: [&str; 4] = ["#0072b2", "#999999", "#e69f00", "#cc79a7"];
const WIDTH: f64 = 860.0;
const LEFT: f64 = 330.0;
const RIGHT: f64 = 70.0;
const BAR: f64 = 13.0;
const GAP: f64 = 14.0;
const TOP: f64 = 56.0;

/// Draws groups of bars. `label` writes a figure beside its bar.
pub(super) fn bars(title: &str, series: &[&str], groups: &[Group], label: impl Fn(f64) -> String) -> String {
    let figures = || groups.iter().flat_map(|group| group.figures.iter().flatten().copied());
    let low = figures().fold(f64::INFINITY, f64::min).max(0.01).log10().floor();
    let high = figures().fold(0.1, f64::max).log10().ceil().max(low + 1.0);
    let x = |figure: f64| {
        LEFT + (figure.max(0.01).log10() - low).max(0.0) / (high - low) * (WIDTH - LEFT - RIGHT)
    };
    let rows: usize = groups.iter().map(|group| group.figures.iter().flatten().count()).sum();
    #[allow(clippy::cast_precision_loss, reason = "pixels")]
    let height = TOP + rows as f64 * BAR + groups.len() as f64 * GAP + 20.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\">{}</text>\n",
        escape(title)
    );
    // Writing to a string cannot fail.
    let mut put = |text: String| {
        let _ = writeln!(svg, "{text}");
    };
    for (index, name) in series.iter().enumerate() {
        #[allow(clippy::cast_precision_loss, reason = "pixels")]
        let at = LEFT + index as f64 * 110.0;
        put(format!(
            "<rect x=\"{at}\" y=\"30\" width=\"10\" height=\"10\" fill=\"{}\"/>",
            COLOURS[index % 4]
        ));
        put(format!("<text x=\"{}\" y=\"39\">{}</text>", at + 15.0, escape(name)));
    }
    #[allow(clippy::cast_possible_truncation, reason = "a few powers of ten")]
    for power in low as i32..=high as i32 {
        let at = x(10_f64.powi(power));
        put(format!(
            "<line x1=\"{at:.1}\" y1=\"48\" x2=\"{at:.1}\" y2=\"{:.1}\" stroke=\"#dddddd\"/>",
            height - 8.0
        ));
    }
    let mut y = TOP;
    for group in groups {
        put(format!("<text x=\"10\" y=\"{:.1}\">{}</text>", y + BAR - 3.0, escape(&group.title)));
        for (index, figure) in group.figures.iter().enumerate() {
            let Some(figure) = figure else { continue };
            let (end, colour) = (x(*figure), COLOURS[index % 4]);
            put(format!(
                "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{}\" fill=\"{colour}\"/>",
                end - LEFT,
                BAR - 2.0
            ));
            put(format!(
                "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                end + 4.0,
                y + BAR - 3.0,
                escape(&label(*figure))
            ));
            y += BAR;
        }
        y += GAP;
    }
    svg.push_str("</svg>\n");
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The widths of the bars, in order.
    fn widths(svg: &str) -> Vec<f64> {
        let bars = svg
            .lines()
            .filter(|line| line.contains(&format!("<rect x=\"{LEFT}\" y=")) && !line.contains("y=\"30\""));
        bars.map(|line| line.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect()
    }

    #[test]
    fn a_bar_for_each_figure_on_a_logarithmic_scale() {
        let groups = [
            Group { title: "a < b & c".to_owned(), figures: vec![Some(10.0), None, Some(1000.0)] },
            Group { title: "d".to_owned(), figures: vec![Some(100.0), Some(1.0), None] },
        ];
        let svg = bars("CPU", &["one", "two", "three"], &groups, |figure| format!("{figure}"));
        assert!(svg.contains("a &lt; b &amp; c") && svg.ends_with("</svg>\n"));
        let widths = widths(&svg);
        let full = WIDTH - LEFT - RIGHT;
        let wanted = [full / 3.0, full, 2.0 * full / 3.0, 0.0];
        assert_eq!(widths.len(), wanted.len());
        assert!(widths.iter().zip(wanted).all(|(got, wanted)| (got - wanted).abs() < 0.1), "{widths:?}");
    }
}
