"""What acts in a real landscape beside the product: it talks to both APIs over HTTP. `cast` starts them all."""
