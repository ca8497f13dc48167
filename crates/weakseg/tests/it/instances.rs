//! Centres, clusters and outlines against SciPy and pycocotools; numbers by `tests/oracle/instances.py`.

use serde::Deserialize;
use weakseg::instance::centroid::centroids;
use weakseg::instance::cluster::clusters;
use weakseg::instance::polygon::polygons;
use weakseg_data::{Plane, Stack};

#[derive(Deserialize)]
struct Oracle {
    fields: Vec<Field>,
    polygons: Vec<Shape>,
}

#[derive(Deserialize)]
struct Field {
    size: [usize; 2],
    weak: f32,
    steps: usize,
    field: Vec<f32>,
    ends: Vec<[usize; 2]>,
    clusters: Vec<u32>,
}

#[derive(Deserialize)]
struct Shape {
    rows: Vec<String>,
    outlines: Vec<Vec<usize>>,
}

fn oracle() -> Oracle {
    serde_json::from_str(include_str!("../oracle/instances.json")).expect("the oracle")
}

#[test]
fn ways_end_where_scipy_says() {
    let fields = oracle().fields;
    assert_eq!(fields.len(), 5);
    for case in fields {
        let [height, width] = case.size;
        let field = Stack::new(2, height, width, case.field).expect("a field");
        let ends = centroids(&field, case.steps).expect("finite");
        assert_eq!(ends.as_slice(), case.ends);
        let found = clusters(&field, case.steps, case.weak).expect("finite");
        assert_eq!(found.of.as_slice(), case.clusters);
        assert_eq!(Some(found.count as u32), case.clusters.into_iter().max());
    }
}

#[test]
fn pycocotools_fills_our_outlines_to_the_mask() {
    let shapes = oracle().polygons;
    assert_eq!(shapes.len(), 4);
    for Shape { rows, outlines } in shapes {
        let mask = Plane::from_fn(rows.len(), rows[0].len(), |y, x| {
            u8::from(rows[y].as_bytes()[x] == b'#')
        });
        let found: Vec<Vec<usize>> = polygons(&mask)
            .into_iter()
            .map(|outline| outline.into_iter().flatten().collect())
            .collect();
        assert_eq!(found, outlines, "{rows:?}");
    }
}
