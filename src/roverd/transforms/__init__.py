"""What can be made of samples and traces; each module is imported explicitly.

- `roverd.transforms.ouster`: range images of Ouster lidars, destaggered or as points.
- `roverd.transforms.ros`: ROS bags of lidar and IMU.
"""
