import app.muzzle.core.CoreException;
import app.muzzle.core.NativeCore;
import java.io.File;
import java.io.IOException;
import java.net.ConnectException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;

/** What the bridge's test and its bench have in common: an app of a few lines. */
final class Bridge {
    static final String ATTACH = "{\"v\":1,\"reach\":\"light\",\"resolvers\":[\"127.0.0.1:9\"]}";
    static final String POLICY =
        "{\"v\":1,\"apps\":[{\"package\":\"com.example.app\",\"uid\":[10123]}]}";
    static final String LISTED = "tracking.miui.com";
    static final int UID = 10123;

    private Bridge() {}

    /** Answers upcalls, and keeps what it was asked. */
    static class App implements NativeCore.Upcalls {
        final BlockingQueue<String> ended = new ArrayBlockingQueue<>(8);
        volatile String asked = "";
        volatile boolean daemon;

        @Override
        public int connectionOwner(int protocol, byte[] src, int sport, byte[] dst, int dport) {
            daemon = Thread.currentThread().isDaemon();
            asked = protocol + " " + src.length + " " + dst.length + " " + dport;
            return UID;
        }

        @Override
        public boolean protect(int fd) {
            return fd > 2;
        }

        @Override
        public void ended(String code) {
            ended.add(code);
        }
    }

    static String config(Path folder) {
        return config(folder, 34);
    }

    static String config(Path folder, int api) {
        return "{\"v\":1,\"api\":" + api + ",\"retention_days\":0,\"cache\":\"" + folder + "\",\"lists\":\""
            + folder.resolve("lists") + "\",\"db\":\"" + folder.resolve("muzzle.db") + "\"}";
    }

    static Path folder() throws IOException {
        return Files.createTempDirectory(Path.of("/dev/shm"), "muzzle-bridge");
    }

    static void delete(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }

    /** The address that the core gives a name: one question over UDP (RFC 1035 §4). */
    static InetAddress resolve(String name) throws IOException {
        byte[] question = new byte[18 + name.length()];
        question[1] = 7;
        question[2] = 1;
        question[5] = 1;
        int at = 12;
        for (String label : name.split("\\.")) {
            question[at++] = (byte) label.length();
            for (byte letter : label.getBytes(StandardCharsets.US_ASCII)) {
                question[at++] = letter;
            }
        }
        question[at + 2] = 1;
        question[at + 4] = 1;
        try (DatagramSocket socket = new DatagramSocket()) {
            socket.setSoTimeout(10_000);
            InetAddress resolver = InetAddress.getByName("198.18.0.2");
            socket.send(new DatagramPacket(question, question.length, resolver, 53));
            DatagramPacket answer = new DatagramPacket(new byte[512], 512);
            socket.receive(answer);
            byte[] b = answer.getData();
            for (int i = at + 5; i + 16 <= answer.getLength(); i++) {
                // A pointer to the name, type A, class IN, four bytes of TTL, length 4.
                boolean record = b[i] == (byte) 0xc0 && b[i + 3] == 1 && b[i + 5] == 1;
                if (record && b[i + 11] == 4) {
                    byte[] address = new byte[4];
                    System.arraycopy(b, i + 12, address, 0, 4);
                    return InetAddress.getByAddress(address);
                }
            }
            throw new IOException("no address in the answer");
        }
    }

    /** Whether a connection is refused. */
    static boolean refused(InetAddress address, int port) throws IOException {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(address, port), 10_000);
            return false;
        } catch (ConnectException e) {
            return true;
        }
    }

    static int descriptors() {
        return new File("/proc/self/fd").list().length;
    }

    static int threads() {
        return new File("/proc/self/task").list().length;
    }

    static long kilobytes() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("\\D", ""));
            }
        }
        throw new IOException("no VmRSS");
    }

    static String codeOf(Runnable call) {
        try {
            call.run();
        } catch (CoreException e) {
            return e.code;
        }
        return "none";
    }
}
