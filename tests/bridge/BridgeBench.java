import app.muzzle.core.NativeCore;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Measures the bridge; prints one line a figure. The argument is the descriptor of a TUN. */
public final class BridgeBench {
    private static final int EVENTS = 1000;

    private BridgeBench() {}

    public static void main(String[] args) throws Exception {
        Path cold = Bridge.folder();
        Bridge.App app = new Bridge.App();
        // The first text that Java formats costs it more than the core costs.
        String config = Bridge.config(cold);
        NativeCore.version();
        long begun = System.nanoTime();
        long first = NativeCore.open(config, app);
        print("first open, new database", System.nanoTime() - begun, "ms", 1e6);
        NativeCore.close(first);
        double[] opens = new double[50];
        for (int i = 0; i < opens.length; i++) {
            begun = System.nanoTime();
            long handle = NativeCore.open(config, app);
            opens[i] = System.nanoTime() - begun;
            NativeCore.close(handle);
        }
        print("open again", median(opens), "ms", 1e6);
        Bridge.delete(cold);
        watching(app, Integer.parseInt(args[0]));
    }

    private static void watching(Bridge.App app, int tun) throws Exception {
        Path folder = Bridge.folder();
        long handle = NativeCore.open(Bridge.config(folder), app);
        NativeCore.setPolicy(handle, Bridge.POLICY);
        NativeCore.attachTun(handle, tun, Bridge.ATTACH);
        var address = Bridge.resolve(Bridge.LISTED);
        for (int i = 0; i < EVENTS; i++) {
            if (!Bridge.refused(address, 443)) {
                throw new IllegalStateException("not refused");
            }
        }
        NativeCore.command(handle, "{\"v\":1,\"do\":\"flush\"}");
        String rows = NativeCore.nextEvents(handle, 0, EVENTS, 0);
        Matcher ids = Pattern.compile("\"id\":").matcher(rows);
        long found = ids.results().count();
        if (found != EVENTS) {
            throw new IllegalStateException(found + " events");
        }
        print("bytes of 1000 events", rows.length(), "KB", 1e3);
        measure("nextEvents of 1000", 300, "ms", 1e6,
            () -> NativeCore.nextEvents(handle, 0, EVENTS, 0));
        measure("nextEvents of none", 5000, "us", 1e3,
            () -> NativeCore.nextEvents(handle, EVENTS, 1, 0));
        measure("version", 5000, "us", 1e3, NativeCore::version);
        measure("snapshot", 5000, "us", 1e3, () -> NativeCore.snapshot(handle));
        measure("setPolicy", 5000, "us", 1e3, () -> NativeCore.setPolicy(handle, Bridge.POLICY));
        measure("onNetworkChanged", 5000, "us", 1e3, () -> {
            NativeCore.onNetworkChanged(handle, "{\"v\":1,\"resolvers\":[\"127.0.0.1:9\"]}");
            return null;
        });
        measure("query host", 5000, "us", 1e3, () -> NativeCore.query(handle,
            "{\"v\":1,\"q\":\"host\",\"host\":\"tracking.miui.com\"}"));
        measure("query of 100 events", 1000, "ms", 1e6,
            () -> NativeCore.query(handle, "{\"v\":1,\"q\":\"events\"}"));
        NativeCore.close(handle);
        Bridge.delete(folder);
    }

    private interface Call {
        Object run();
    }

    private static void measure(String name, int times, String unit, double scale, Call call) {
        double[] took = new double[times];
        for (int i = -times / 5; i < times; i++) {
            long begun = System.nanoTime();
            call.run();
            if (i >= 0) {
                took[i] = System.nanoTime() - begun;
            }
        }
        print(name, median(took), unit, scale);
    }

    private static double median(double[] took) {
        Arrays.sort(took);
        return took[took.length / 2];
    }

    private static void print(String name, double value, String unit, double scale) {
        System.out.printf("%-26s %8.3f %s%n", name, value / scale, unit);
    }
}
