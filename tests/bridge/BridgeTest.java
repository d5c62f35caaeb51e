import app.muzzle.core.CoreException;
import app.muzzle.core.NativeCore;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The bridge as the app meets it. Each public static method without arguments is a test; a line
 * {@code ok NAME} or {@code FAILED NAME: why} is printed for each. The arguments are descriptors of
 * one TUN, of which each test that attaches takes one.
 */
public final class BridgeTest {
    private static final ArrayDeque<Integer> TUNS = new ArrayDeque<>();
    private static final int CYCLES = 10_000;
    private static final int ANDROID_9 = 28;
    private static final int ANDROID_14 = 34;

    private BridgeTest() {}

    public static void main(String[] args) {
        switch (args[0]) {
            case "leave" -> leave(Integer.parseInt(args[1]));
            case "live" -> live(Path.of(args[1]), Integer.parseInt(args[2]));
            case "return" -> comeBack(Path.of(args[1]), Long.parseLong(args[2]));
            default -> all(args);
        }
    }

    private static void all(String[] args) {
        for (String fd : args) {
            TUNS.add(Integer.parseInt(fd));
        }
        Method[] methods = BridgeTest.class.getMethods();
        // What takes the TUN away comes last.
        Arrays.sort(methods, (a, b) -> rank(a).compareTo(rank(b)));
        for (Method method : methods) {
            if (method.getDeclaringClass() == BridgeTest.class && method.getParameterCount() == 0) {
                run(method);
            }
        }
    }

    private static String rank(Method method) {
        return (method.getName().contains("Vanishes") ? "1" : "0") + method.getName();
    }

    private static void run(Method method) {
        try {
            method.invoke(null);
            System.out.println("ok " + method.getName());
        } catch (InvocationTargetException e) {
            System.out.println("FAILED " + method.getName() + ": " + e.getCause());
            e.getCause().printStackTrace(System.out);
        } catch (IllegalAccessException e) {
            System.out.println("FAILED " + method.getName() + ": " + e);
        }
    }

    /** Ends with everything open: the JVM must not wait for threads of the core. */
    private static void leave(int tun) {
        try {
            long handle = NativeCore.open(Bridge.config(Bridge.folder()), new Bridge.App());
            NativeCore.attachTun(handle, tun, Bridge.ATTACH);
            NativeCore.setPolicy(handle, Bridge.POLICY);
            check(Bridge.refused(Bridge.resolve(Bridge.LISTED), 80), "refused");
            System.out.println("left");
        } catch (java.io.IOException e) {
            System.out.println("FAILED leave: " + e);
        }
    }

    /** Runs until it is killed, with one stop in the store and the next one not yet. */
    private static void live(Path folder, int tun) {
        try {
            long handle = NativeCore.open(Bridge.config(folder), new Bridge.App());
            NativeCore.setPolicy(handle, Bridge.POLICY);
            NativeCore.attachTun(handle, tun, Bridge.ATTACH);
            check(Bridge.refused(Bridge.resolve(Bridge.LISTED), 80), "refused");
            NativeCore.command(handle, "{\"v\":1,\"do\":\"flush\"}");
            System.out.println("alive");
            while (true) {
                Bridge.refused(Bridge.resolve(Bridge.LISTED), 443);
            }
        } catch (java.io.IOException e) {
            System.out.println("FAILED live: " + e);
        }
    }

    /** The next start after a kill: the app knows since when it was missed, and has it noted. */
    private static void comeBack(Path folder, long missed) {
        long handle = NativeCore.open(Bridge.config(folder), new Bridge.App());
        long now = System.currentTimeMillis();
        NativeCore.command(handle, "{\"v\":1,\"do\":\"gap\",\"start\":" + missed + ",\"end\":" + now
            + ",\"reason\":\"killed\"}");
        same(NativeCore.query(handle, "{\"v\":1,\"q\":\"gaps\"}"), "{\"v\":1,\"gaps\":[{\"end\":" + now
            + ",\"reason\":\"killed\",\"start\":" + missed + "}]}");
        String rows = NativeCore.nextEvents(handle, 0, 1, 0);
        check(rows.contains("\"host\":\"" + Bridge.LISTED + "\""), rows);
        NativeCore.close(handle);
        System.out.println("back");
    }

    private static void check(boolean holds, Object what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private static void same(Object found, Object expected) {
        check(expected.equals(found), "expected " + expected + ", found " + found);
    }

    /** What a test does with an opened core. */
    private interface Body {
        void run(long handle, Bridge.App app, Path folder) throws Exception;
    }

    private static void opened(Body body) throws Exception {
        opened(new Bridge.App(), body);
    }

    private static void opened(Bridge.App app, Body body) throws Exception {
        opened(ANDROID_14, app, body);
    }

    private static void opened(int api, Bridge.App app, Body body) throws Exception {
        Path folder = Bridge.folder();
        long handle = NativeCore.open(Bridge.config(folder, api), app);
        try {
            body.run(handle, app, folder);
        } finally {
            String ignored = Bridge.codeOf(() -> NativeCore.close(handle));
            Bridge.delete(folder);
        }
    }

    public static void versionIsTold() {
        check(NativeCore.version().contains("\"v\":1"), NativeCore.version());
    }

    public static void nullsAreRefused() throws Exception {
        Bridge.App app = new Bridge.App();
        same(Bridge.codeOf(() -> NativeCore.open(null, app)), "bad-argument");
        String config = Bridge.config(Path.of("/nowhere"));
        same(Bridge.codeOf(() -> NativeCore.open(config, null)), "bad-argument");
        opened((handle, upcalls, folder) -> {
            for (Runnable call : List.<Runnable>of(
                () -> NativeCore.setPolicy(handle, null),
                () -> NativeCore.loadSignatures(handle, null),
                () -> NativeCore.onNetworkChanged(handle, null),
                () -> NativeCore.query(handle, null),
                () -> NativeCore.command(handle, null))) {
                same(Bridge.codeOf(call), "bad-argument");
            }
            int file = new Descriptor(folder.resolve("file")).take();
            same(Bridge.codeOf(() -> NativeCore.export(handle, file, null, null)), "bad-argument");
            Files.delete(folder.resolve("file"));
        });
    }

    public static void aStaleHandleIsAnError() throws Exception {
        long[] stale = {0, -1, Long.MAX_VALUE, Long.MIN_VALUE, 0};
        opened((handle, app, folder) -> stale[4] = handle);
        for (long handle : stale) {
            for (Runnable call : List.<Runnable>of(
                () -> NativeCore.detachTun(handle),
                () -> NativeCore.setPolicy(handle, "{\"v\":1}"),
                () -> NativeCore.loadSignatures(handle, new int[0]),
                () -> NativeCore.onNetworkChanged(handle, "{}"),
                () -> NativeCore.nextEvents(handle, 0, 1, 0),
                () -> NativeCore.snapshot(handle),
                () -> NativeCore.query(handle, "{}"),
                () -> NativeCore.command(handle, "{}"),
                () -> NativeCore.importList(handle, Descriptor.ofNull(), "{}"),
                () -> NativeCore.close(handle))) {
                same(Bridge.codeOf(call), "bad-handle");
            }
            int before = Bridge.descriptors();
            int tun = Descriptor.ofNull();
            same(Bridge.codeOf(() -> NativeCore.attachTun(handle, tun, "{}")), "bad-handle");
            int file = Descriptor.ofNull();
            same(Bridge.codeOf(() -> NativeCore.export(handle, file, "{}", null)), "bad-handle");
            // What an earlier test left to its threads may close meanwhile.
            check(Bridge.descriptors() <= before, "a refused descriptor stays open");
        }
    }

    public static void aSecondCloseIsAnError() throws Exception {
        opened((handle, app, folder) -> {
            NativeCore.close(handle);
            same(Bridge.codeOf(() -> NativeCore.close(handle)), "bad-handle");
        });
    }

    public static void aCloseEndsWhoWaitsForEvents() throws Exception {
        opened((handle, app, folder) -> {
            List<String> codes = new ArrayList<>();
            Thread waiting = new Thread(
                () -> codes.add(Bridge.codeOf(() -> NativeCore.nextEvents(handle, 0, 1, 60_000))));
            waiting.start();
            while (waiting.getState() == Thread.State.NEW) {
                Thread.yield();
            }
            Thread.sleep(100);
            NativeCore.close(handle);
            waiting.join(20_000);
            // Too slow a start finds the handle gone instead.
            check(List.of("closed", "bad-handle").containsAll(codes) && codes.size() == 1, codes);
        });
    }

    public static void aPanicIsAnExceptionAndTheHandleLivesOn() throws Exception {
        opened((handle, app, folder) -> {
            for (int i = 0; i < 3; i++) {
                try {
                    NativeCore.query(handle, "{\"v\":1,\"q\":\"planted-panic\"}");
                    throw new AssertionError("no exception");
                } catch (CoreException e) {
                    same(e.code, "panic");
                    check(e.getMessage().contains("query.rs:"), e.getMessage());
                    check(!e.getMessage().contains("as planted"), e.getMessage());
                }
            }
            check(NativeCore.query(handle, "{\"v\":1,\"q\":\"apps\"}").contains("[]"), "alive");
        });
    }

    /** A call of each native that takes JSON. */
    private static List<Runnable> takingText(long handle, Bridge.App app, String text) {
        return List.of(
            () -> NativeCore.open(text, app),
            () -> NativeCore.attachTun(handle, Descriptor.ofNull(), text),
            () -> NativeCore.setPolicy(handle, text),
            () -> NativeCore.onNetworkChanged(handle, text),
            () -> NativeCore.query(handle, text),
            () -> NativeCore.command(handle, text),
            () -> NativeCore.export(handle, Descriptor.ofNull(), text, null));
    }

    public static void malformedTextIsRefusedByEveryNative() throws Exception {
        opened((handle, app, folder) -> {
            String deep = "[".repeat(20_000);
            String odd = "\ud800\u0000\udc00";
            for (String text : List.of("", "{", "[]", "[1]", "null", deep, odd, "{\"v\":1,}")) {
                for (Runnable call : takingText(handle, app, text)) {
                    same(Bridge.codeOf(call), "bad-json");
                }
            }
            for (String text : List.of("{}", "{\"v\":0}", "{\"v\":2}", "{\"v\":\"1\"}", "{\"v\":[1]}")) {
                for (Runnable call : takingText(handle, app, text)) {
                    same(Bridge.codeOf(call), "bad-version");
                }
            }
            String twice = "{\"v\":1,\"apps\":[{\"package\":\"a\",\"uid\":[1,1]}]}";
            same(Bridge.codeOf(() -> NativeCore.setPolicy(handle, twice)), "bad-policy");
            String huge = "{\"v\":1,\"x\":\"" + "a".repeat(5 << 20) + "\"}";
            same(Bridge.codeOf(() -> NativeCore.setPolicy(handle, huge)), "bad-argument");
            same(Bridge.codeOf(() -> NativeCore.query(handle, huge)), "bad-argument");
            same(Bridge.codeOf(() -> NativeCore.nextEvents(handle, -1, 1, 0)), "bad-argument");
            same(Bridge.codeOf(() -> NativeCore.nextEvents(handle, 0, -1, 0)), "bad-argument");
            same(Bridge.codeOf(() -> NativeCore.nextEvents(handle, 0, 1, -1)), "bad-argument");
        });
    }

    public static void anyTextComesBackAsItWent() throws Exception {
        opened((handle, app, folder) -> {
            String host = "h\u00f6st-\u4e2d\ud83d\ude00-x";
            String query = "{\"v\":1,\"q\":\"host\",\"host\":\"" + host + "\"}";
            check(NativeCore.query(handle, query).contains("\"host\":\"" + host + "\""), "same");
        });
    }

    public static void listsComeThroughDescriptors() throws Exception {
        opened((handle, app, folder) -> {
            Path list = folder.resolve("own.csv");
            Files.writeString(list, "# list: own\n# version: 7\n"
                + "host,owner,category,default,side_effect,protocol,source,licence\n"
                + "own.example,Me,other,block,,,me,fact\n");
            int before = Bridge.descriptors();
            int fd = new Descriptor(list).take();
            String taken = NativeCore.loadSignatures(handle, new int[] {fd});
            check(taken.contains("\"rules\":1") && taken.contains("\"own\""), taken);
            int[] mixed = {new Descriptor(list).take(), -1, 1_000_000};
            same(Bridge.codeOf(() -> NativeCore.loadSignatures(handle, mixed)), "bad-descriptor");
            int[] huge = new int[1 << 20];
            same(Bridge.codeOf(() -> NativeCore.loadSignatures(handle, huge)), "bad-argument");
            int[] empty = {Descriptor.ofNull()};
            same(Bridge.codeOf(() -> NativeCore.loadSignatures(handle, empty)), "bad-list");
            NativeCore.loadSignatures(handle, new int[0]);
            same(Bridge.descriptors(), before);
            Files.delete(list);
        });
    }

    public static void aListOfOthersIsImportedAndRemoved() throws Exception {
        opened((handle, app, folder) -> {
            Path list = folder.resolve("hosts.txt");
            Files.writeString(list, "0.0.0.0 ads.example.com\nnothing here\n||tracker.example^\n");
            int before = Bridge.descriptors();
            String named = "{\"v\":1,\"name\":\"mine\",\"category\":\"ads\"";
            String told = NativeCore.importList(handle, new Descriptor(list).take(), named + "}");
            check(told.contains("\"names\":2") && told.contains("\"line\":2"), told);
            String host = "{\"v\":1,\"q\":\"host\",\"host\":\"a.tracker.example\"}";
            check(NativeCore.query(handle, host).contains("\"list\":\"mine@"), "in force");
            Files.writeString(list, "<html>\n");
            int bad = new Descriptor(list).take();
            String none = NativeCore.importList(handle, bad, named + "}");
            check(none.contains("\"names\":0") && none.contains("\"kind\":\"page\""), none);
            check(NativeCore.query(handle, host).contains("\"list\":\"mine@"), "the old one stays");
            NativeCore.command(handle, "{\"v\":1,\"do\":\"remove-list\",\"name\":\"mine\"}");
            check(!NativeCore.query(handle, host).contains("mine"), "it is gone");
            same(Bridge.descriptors(), before);
            Files.delete(list);
        });
    }

    public static void closedDescriptorsAreRefused() throws Exception {
        opened((handle, app, folder) -> {
            for (int fd : new int[] {-1, Integer.MIN_VALUE, 1_000_000, Integer.MAX_VALUE}) {
                same(Bridge.codeOf(() -> NativeCore.attachTun(handle, fd, Bridge.ATTACH)),
                    "bad-descriptor");
                same(Bridge.codeOf(() -> NativeCore.export(handle, fd, "{}", null)),
                    "bad-descriptor");
            }
        });
    }

    public static void aDatabaseThatCannotBeMadeSaysSo() throws Exception {
        Bridge.App app = new Bridge.App();
        same(Bridge.codeOf(() -> NativeCore.open(Bridge.config(Path.of("/nowhere")), app)),
            "store-cannot-open");
        opened((handle, upcalls, folder) -> {
            same(Bridge.codeOf(() -> NativeCore.open(Bridge.config(folder), app)), "store-locked");
        });
    }

    public static void aDatabaseOnAFullOrReadOnlyDiskSaysSo() throws Exception {
        Bridge.App app = new Bridge.App();
        Path disk = Bridge.folder();
        system("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk.toString());
        same(Bridge.codeOf(() -> NativeCore.open(Bridge.config(disk), app)), "store-full");
        system("mount", "-o", "remount,ro,size=16k", disk.toString());
        same(Bridge.codeOf(() -> NativeCore.open(Bridge.config(disk), app)), "store-read-only");
        system("umount", disk.toString());
        long handle = NativeCore.open(Bridge.config(disk), app);
        NativeCore.close(handle);
        Bridge.delete(disk);
    }

    private static void system(String... words) throws Exception {
        same(new ProcessBuilder(words).inheritIO().start().waitFor(), 0);
    }

    public static void onlySoManyHandlesAreGiven() throws Exception {
        List<Long> handles = new ArrayList<>();
        List<Path> folders = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
            folders.add(Bridge.folder());
            handles.add(NativeCore.open(Bridge.config(folders.get(i)), new Bridge.App()));
        }
        Path more = Bridge.folder();
        same(Bridge.codeOf(() -> NativeCore.open(Bridge.config(more), new Bridge.App())), "limit");
        handles.forEach(NativeCore::close);
        for (Path folder : folders) {
            Bridge.delete(folder);
        }
        long again = NativeCore.open(Bridge.config(more), new Bridge.App());
        NativeCore.close(again);
        Bridge.delete(more);
    }

    public static void packetsOfARealTunBecomeEventsAndAnExport() throws Exception {
        opened((handle, app, folder) -> {
            NativeCore.setPolicy(handle, Bridge.POLICY);
            NativeCore.attachTun(handle, TUNS.remove(), Bridge.ATTACH);
            check(Bridge.refused(Bridge.resolve(Bridge.LISTED), 443), "it is blocked");
            String rows = NativeCore.nextEvents(handle, 0, 10, 20_000);
            check(rows.contains("\"package\":\"com.example.app\""), rows);
            check(rows.contains("\"outcome\":\"stopped\""), rows);
            check(rows.contains("\"host\":\"" + Bridge.LISTED + "\""), rows);
            same(app.asked, "6 4 4 443");
            check(app.daemon, "upcalls come on daemon threads");
            String now = NativeCore.snapshot(handle);
            check(now.contains("\"running\"") && now.contains("\"blocked\":1"), now);

            Path file = folder.resolve("export.jsonl");
            Files.createFile(file);
            long[] told = {-1, -1};
            String done = NativeCore.export(handle, new Descriptor(file).take(),
                "{\"v\":1,\"format\":\"jsonl\"}", (count, total) -> {
                    told[0] = count;
                    told[1] = total;
                    return true;
                });
            check(done.contains("\"events\":1"), done);
            check(Files.readString(file).contains("com.example.app"), "the file holds the event");
            check(told[0] == 1 && told[1] == 1, told[0] + " of " + told[1]);
            Files.delete(file);

            // A policy acts at once, and the next connection is not refused any more: there is no
            // network here, so that nobody answers.
            NativeCore.setPolicy(handle, "{\"v\":1,\"default\":\"record\"}");
            NativeCore.onNetworkChanged(handle, "{\"v\":1,\"resolvers\":[\"127.0.0.1:10\"]}");
            NativeCore.detachTun(handle);
            NativeCore.detachTun(handle);
            check(NativeCore.snapshot(handle).contains("\"detached\""), "detached");
            check(app.ended.isEmpty(), "a stop that was asked for is not told");
        });
    }

    public static void beforeAndroid10OwnersComeOfTheSystemsTables() throws Exception {
        opened(ANDROID_9, new Bridge.App(), (handle, app, folder) -> {
            NativeCore.attachTun(handle, TUNS.remove(), Bridge.ATTACH);
            check(Bridge.refused(Bridge.resolve(Bridge.LISTED), 443), "it is blocked");
            String rows = NativeCore.nextEvents(handle, 0, 10, 20_000);
            check(rows.contains("\"uid\":" + Files.getAttribute(folder, "unix:uid")), rows);
            same(app.asked, "");
        });
    }

    public static void whatAnUpcallThrowsIsDropped() throws Exception {
        Bridge.App throwing = new Bridge.App() {
            @Override
            public int connectionOwner(int proto, byte[] src, int sport, byte[] dst, int dport) {
                throw new IllegalStateException("no such service");
            }
        };
        opened(throwing, (handle, app, folder) -> {
            NativeCore.setPolicy(handle, Bridge.POLICY);
            NativeCore.attachTun(handle, TUNS.remove(), Bridge.ATTACH);
            check(Bridge.refused(Bridge.resolve(Bridge.LISTED), 443), "it is blocked");
            String rows = NativeCore.nextEvents(handle, 0, 10, 20_000);
            check(rows.contains("\"outcome\":\"stopped\"") && !rows.contains("\"uid\""), rows);
        });
    }

    public static void anExportIsCancelledByAnswerOrByException() throws Exception {
        opened((handle, app, folder) -> {
            String all = "{\"v\":1,\"format\":\"csv\"}";
            NativeCore.Progress no = (done, total) -> false;
            same(Bridge.codeOf(() -> NativeCore.export(handle, Descriptor.ofNull(), all, no)),
                "cancelled");
            try {
                NativeCore.export(handle, Descriptor.ofNull(), all, (done, total) -> {
                    throw new IllegalStateException("as planned");
                });
                throw new AssertionError("no exception");
            } catch (IllegalStateException e) {
                same(e.getMessage(), "as planned");
            }
            int full = new Descriptor(Path.of("/dev/full")).take();
            same(Bridge.codeOf(() -> NativeCore.export(handle, full, all, null)), "output-full");
        });
    }

    public static void tenThousandCyclesLeaveNothing() throws Exception {
        Path folder = Bridge.folder();
        Bridge.App app = new Bridge.App();
        cycles(folder, app, 500);
        System.gc();
        int descriptors = Bridge.descriptors();
        int threads = Bridge.threads();
        long before = Bridge.kilobytes();
        cycles(folder, app, CYCLES - 500);
        System.gc();
        same(Bridge.descriptors(), descriptors);
        check(Math.abs(Bridge.threads() - threads) <= 2, Bridge.threads() + " threads");
        long grown = Bridge.kilobytes() - before;
        check(grown < 24 * 1024, grown + " KB more");
        Bridge.delete(folder);
    }

    private static void cycles(Path folder, Bridge.App app, int count) {
        for (int i = 0; i < count; i++) {
            NativeCore.close(NativeCore.open(Bridge.config(folder), app));
        }
    }

    public static void aTunThatVanishesIsTold() throws Exception {
        opened((handle, app, folder) -> {
            NativeCore.attachTun(handle, TUNS.remove(), Bridge.ATTACH);
            system("ip", "link", "del", "muzzle0");
            same(app.ended.poll(20, TimeUnit.SECONDS), "tun-gone");
            String now = NativeCore.snapshot(handle);
            check(now.contains("\"ended\"") && now.contains("\"tun-gone\""), now);
            NativeCore.detachTun(handle);
        });
    }
}
