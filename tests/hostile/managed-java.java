/* attack: none: a Java program at the least memory it is promised
 * verdict: OK
 * outside: nothing changes
 * limits: memory=32M cpu=20s wall=60s */
import java.util.ArrayList;

public class Main {
    public static void main(String[] args) throws Exception {
        var kept = new ArrayList<byte[]>();
        for (int i = 0; i < 16; i++)
            kept.add(new byte[1 << 20]);
        var sum = new long[1];
        var worker = new Thread(() -> kept.forEach(part -> sum[0] += part.length));
        worker.start();
        worker.join();
        System.exit(sum[0] == 16 << 20 ? 0 : 1);
    }
}
