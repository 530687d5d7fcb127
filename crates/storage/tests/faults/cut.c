/* Cuts a mounted ext4 file system off from its device without flushing its log: what a power cut leaves behind. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define EXT4_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define NO_LOG_FLUSH 2

int main(int argc, char **argv) {
    uint32_t how = NO_LOG_FLUSH;
    int folder = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    if (folder < 0 || ioctl(folder, EXT4_IOC_SHUTDOWN, &how) != 0) {
        perror("cut");
        return 1;
    }
    return 0;
}
