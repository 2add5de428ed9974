"""A small labelled dataset: simulate a campaign, read it as arrays, export the published layout."""

from gridstab.datasets import Campaign, export_run, run_campaign


def main() -> None:
    """Simulate four grids, print the shapes a graph network would be given, and export them."""
    campaign = Campaign(nodes=20, grids=4, samples=50, seed=7)
    run = run_campaign(campaign, "labels")
    for labelled in run.folder.labels():
        x = labelled.grid.power[:, None]
        edge_index, edge_attr = labelled.grid.edge_index, labelled.grid.edge_attr
        print(
            f"grid {labelled.grid_id}: x {x.shape}, edge_index {edge_index.shape}, "
            f"edge_attr {edge_attr.shape}, y {labelled.snbs.shape}"
        )
    print("published layout in", export_run("labels", "published", layout="v2"))


if __name__ == "__main__":
    main()
