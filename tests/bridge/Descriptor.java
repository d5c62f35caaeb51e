import java.io.FileDescriptor;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.reflect.Field;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A descriptor to give away, as {@code ParcelFileDescriptor.detachFd()} does on a phone. The JVM's own
 * object is kept for ever, so that nothing closes the number a second time.
 */
final class Descriptor {
    private static final List<RandomAccessFile> KEPT = new ArrayList<>();

    private final Path path;

    Descriptor(Path path) {
        this.path = path;
    }

    int take() {
        try {
            RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw");
            KEPT.add(file);
            Field number = FileDescriptor.class.getDeclaredField("fd");
            number.setAccessible(true);
            return number.getInt(file.getFD());
        } catch (IOException | ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    static int ofNull() {
        return new Descriptor(Path.of("/dev/null")).take();
    }
}
